/** A CommonJS program's view: `require` of an ECMAScript module, as Node 20.19 permits it. */
import rxsteer = require('rxsteer');

const { workers } = rxsteer.steerFrames('rss', ['tcp 192.0.2.1:1 > 192.0.2.2:2'], { workers: 2 });
const packets: number = workers[0]!.packets;
void packets;
