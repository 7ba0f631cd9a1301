// TypeDoc plugin: groups the reference by layer, which is the folder that an item is declared in.
import { CommentTag, Converter } from 'typedoc';

const LAYERS = {
  packet: 'Packet',
  hash: 'Hash',
  nic: 'NIC',
  linux: 'Linux',
  mac: 'MAC',
  policy: 'Policy',
  capture: 'Capture',
  traffic: 'Traffic',
  simulate: 'Simulation',
  addon: 'Engine',
  dataplane: 'Engine',
};

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const item of project.children ?? []) {
      const file = project.getSymbolIdFromReflection(item)?.fileName ?? '';
      const layer = LAYERS[/src\/(\w+)\//.exec(file)?.[1]] ?? 'Errors';
      // Functions carry their comments on their signatures.
      for (const holder of [item, ...(item.signatures ?? [])]) {
        // A comment made here would count as one: nothing would be found undocumented.
        holder.comment?.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: layer }]));
      }
    }
  });
}
