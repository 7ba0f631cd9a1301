"""A vhost-user front-end with a driver's rings: a guest without a guest, for tests.

It shares no code with the back-end: written after the virtio and vhost-user documents only. Reads a JSON object a line
from stdin and answers each with one. Its addresses (guest-physical, its own) are made up, so that a back-end that does
not translate them finds nothing.
"""
import array, ctypes, json, mmap, os, select, socket, struct, sys, threading, time

GPA, UVA = 0x1_0000_0000, 0x7F12_0000_0000
RING_AREA, BUFFER = 0x10000, 2048
# Memory that is plugged in lies so far behind the rest, in both kinds of addresses.
PLUG, PLUG_BYTES, PAGE = 0x4000_0000, 0x40_0000, 4096
NEXT, WRITE, INDIRECT = 1, 2, 4
PROTOCOL, LOG_ALL, EVENT_IDX, MERGEABLE, VERSION_1 = 1 << 30, 1 << 26, 1 << 29, 1 << 15, 1 << 32


class Front:
    def __init__(self):
        self.sock = None

    # Messages -----------------------------------------------------------------------------------------------------
    def message(self, request, payload=b"", fds=(), reply=False, flags=1):
        data = struct.pack("<III", request, flags, len(payload)) + payload
        anc = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([data], anc)
        return self.reply() if reply else None

    def reply(self):
        head = self.exactly(12)
        if head is None:
            return None
        request, flags, length = struct.unpack("<III", head)
        assert flags & 7 == 5, f"flags of a reply: {flags}"
        return self.exactly(length)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                part = self.sock.recv(count - len(data))
            except ConnectionResetError:
                return None
            if not part:
                return None
            data += part
        return data

    def long(self, request):
        return struct.unpack("<Q", self.message(request, reply=True))[0]

    # Set-up -------------------------------------------------------------------------------------------------------
    def connect(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(path)

    def op_connect(self, path):
        self.connect(path)
        return {}

    def op_listen(self, path):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(path)
        server.listen(1)
        server.settimeout(20)
        self.sock, _ = server.accept()
        self.sock.settimeout(20)
        return {}

    def op_start(self, pairs=1, size=64, drop=0, base=0, enabled=None, acknowledge=True):
        """Everything that a driver does until its rings run. `drop`: features that it does not want."""
        offered = self.long(1)
        protocol = self.long(15)
        self.message(16, struct.pack("<Q", protocol))
        queues = self.long(17)
        self.message(3)
        self.features = offered & ~drop & ~LOG_ALL
        self.message(2, struct.pack("<Q", self.features))
        self.pairs, self.size = pairs, size
        self.header = 12 if self.features & (VERSION_1 | MERGEABLE) else 10
        rings = 2 * pairs
        buffers_at = rings * RING_AREA
        self.length = buffers_at + rings * size * BUFFER + 0x100000
        self.memory = os.memfd_create("guest")
        os.ftruncate(self.memory, self.length + 4096)
        # One page of the file lies before the region: its offset.
        self.map = mmap.mmap(self.memory, self.length + 4096)
        self.plugged, self.written, self.log = None, set(), None
        self.acknowledged(5, struct.pack("<II", 1, 0) + self.region(), [self.memory])
        self.rings = [Ring(self, i, buffers_at + i * size * BUFFER, base) for i in range(rings)]
        for ring in self.rings:
            ring.setup()
        for i in range(rings):
            on = 1 if enabled is None or i // 2 in enabled else 0
            self.message(18, struct.pack("<II", i, on), reply=True, flags=9)
        return {"offered": offered, "protocol": protocol, "queues": queues}

    # Frames -------------------------------------------------------------------------------------------------------
    def op_send(self, pair=0, frames=(), header="", indirect=False, split=True, kick=True):
        ring = self.rings[2 * pair + 1]
        ring.used_total()
        for frame in frames:
            ring.put_frame(bytes.fromhex(frame), bytes.fromhex(header), indirect, split)
        return {"kicked": ring.publish(kick)}

    def op_sent(self, pair=0, count=0):
        """Waits until the device has given back so many buffers in all."""
        ring = self.rings[2 * pair + 1]
        ring.wait(lambda: ring.used_total() >= count)
        return {"used": ring.used_total()}

    def op_fill(self, pair=0, buffers=None, bytes=BUFFER):
        ring = self.rings[2 * pair]
        for _ in range(self.size if buffers is None else buffers):
            ring.put_buffer(bytes)
        ring.publish()
        return {}

    def op_receive(self, pair=0, count=1, again=True):
        ring = self.rings[2 * pair]
        frames = []
        while len(frames) < count:
            ring.wait(lambda: ring.has_used())
            frames.append(ring.take_frame(again))
        ring.publish()
        return {"frames": frames}

    def op_drain(self, pair=0):
        ring = self.rings[2 * pair]
        frames = []
        while ring.has_used():
            frames.append(ring.take_frame(True))
        ring.publish()
        return {"frames": frames}

    # Whatever else a front-end does -------------------------------------------------------------------------------
    def op_enable(self, ring, on):
        self.message(18, struct.pack("<II", ring, on), reply=True, flags=9)
        return {}

    def op_stop(self, ring):
        return {"base": struct.unpack("<II", self.message(11, struct.pack("<II", ring, 0), reply=True))[1]}

    def op_poke(self, ring, area, offset, data):
        """Writes into a ring as it lies in memory."""
        at = {"desc": 0, "avail": 0x8000, "used": 0xA000}[area]
        self.write(ring * RING_AREA + at + offset, bytes.fromhex(data))
        return {}

    def op_kick(self, ring):
        os.write(self.rings[ring].kick, struct.pack("<Q", 1))
        return {}

    def op_raw(self, request, payload="", flags=1, fds=0, reply=False):
        files = [os.memfd_create("x") for _ in range(fds)]
        try:
            answer = self.message(request, bytes.fromhex(payload), files, reply, flags)
        except (BrokenPipeError, ConnectionResetError):
            return {"reply": None}
        finally:
            for fd in files:
                os.close(fd)
        return {"reply": None if answer is None else answer.hex()}

    def op_bytes(self, data):
        self.sock.sendall(bytes.fromhex(data))
        return {}

    def op_closed(self):
        """Waits until the back-end has closed the connection."""
        while True:
            try:
                if not self.sock.recv(4096):
                    return {}
            except ConnectionResetError:
                return {}

    def region(self):
        return struct.pack("<QQQQ", GPA, self.length, UVA, 4096)

    def plug_region(self):
        return struct.pack("<QQQQ", GPA + PLUG, PLUG_BYTES, UVA + PLUG, 0)

    def acknowledged(self, request, payload, fds=()):
        answer = self.message(request, payload, fds, reply=True, flags=9)
        assert answer is not None and struct.unpack("<Q", answer)[0] == 0, f"message {request} was refused"

    def op_plug(self, table=False):
        """More memory, as QEMU tells of it; buffers lie there from now on. `table`: all regions anew, else only this one."""
        self.plug_memory = os.memfd_create("dimm")
        os.ftruncate(self.plug_memory, PLUG_BYTES)
        self.plugged = mmap.mmap(self.plug_memory, PLUG_BYTES)
        if table:
            both = struct.pack("<II", 2, 0) + self.region() + self.plug_region()
            self.acknowledged(5, both, [self.memory, self.plug_memory])
        else:
            # QEMU sends it once for each pair of rings.
            for _ in range(self.pairs):
                self.acknowledged(37, struct.pack("<Q", 0) + self.plug_region(), [self.plug_memory])
        for ring in self.rings:
            ring.buffers = PLUG + ring.index * self.size * BUFFER
        return {}

    def op_rehome(self):
        """Buffers lie in the first memory again."""
        for ring in self.rings:
            ring.buffers = ring.home
        return {}

    def op_unplug(self, table=False):
        if table:
            self.acknowledged(5, struct.pack("<II", 1, 0) + self.region(), [self.memory])
        else:
            self.acknowledged(38, struct.pack("<Q", 0) + self.plug_region(), [self.plug_memory])
        self.plugged = None
        return {}

    def op_log(self, on=True):
        """Migration begins: a map of dirty pages, the feature, the rings' addresses again. Or it is called off."""
        if on:
            bytes = (GPA + self.length + PAGE - 1) // PAGE // 8 + 1
            fd = os.memfd_create("log")
            os.ftruncate(fd, PAGE + bytes)
            self.log = mmap.mmap(fd, PAGE + bytes)
            assert self.message(6, struct.pack("<QQ", bytes, PAGE), [fd], reply=True) == b""
            os.close(fd)
        self.acknowledged(2, struct.pack("<Q", self.features | (LOG_ALL if on else 0)))
        for ring in self.rings:
            ring.tell_addresses(on)
        return {}

    def op_snapshot(self):
        self.before = self.read(0, self.length)
        self.written = set()
        if self.log is not None:
            self.log[PAGE:] = bytes(len(self.log) - PAGE)
        return {}

    def op_dirty(self, ring, count):
        """Once the ring has so many used entries: pages that the device changed, and those that are marked."""
        at, end = self.rings[ring].used + 2, time.monotonic() + 20
        while (struct.unpack("<H", self.read(at, 2))[0] - self.rings[ring].base) & 0xFFFF < count:
            # Nothing may be written meanwhile, so that no call can be asked for.
            if time.monotonic() > end:
                raise TimeoutError("not used within 20 seconds")
            time.sleep(0.001)
        now = self.read(0, self.length)
        pages = range((self.length + PAGE - 1) // PAGE)
        differ = lambda k: now[k * PAGE : (k + 1) * PAGE] != self.before[k * PAGE : (k + 1) * PAGE]
        changed = [k for k in pages if differ(k) and k not in self.written]
        first = GPA // PAGE
        marked = [8 * at + bit - first for at, byte in enumerate(self.log[PAGE:]) if byte for bit in range(8) if byte >> bit & 1]
        return {"changed": changed, "marked": marked}

    def op_vcpus(self, names):
        """Threads of these names, as a VMM has them; they wake often, so that the scheduler soon has them where they belong."""
        tasks, started = [], threading.Barrier(len(names) + 1)

        def vcpu(name):
            ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)  # PR_SET_NAME
            tasks.append((name, threading.get_native_id()))
            started.wait()
            while True:
                time.sleep(0.005)

        for name in names:
            threading.Thread(target=vcpu, args=(name,), daemon=True).start()
        started.wait()
        self.vcpus = dict(tasks)
        return {"tasks": [self.vcpus[name] for name in names]}

    def op_place(self, name, cpu):
        os.sched_setaffinity(self.vcpus[name], [cpu])
        return {}

    def op_truncate(self, bytes):
        os.ftruncate(self.memory, bytes)
        return {}

    def op_close(self):
        self.sock.close()
        return {}

    def write(self, at, data):
        if at >= PLUG:
            self.plugged[at - PLUG : at - PLUG + len(data)] = data
            return
        self.written.update(range(at // PAGE, (at + len(data) - 1) // PAGE + 1))
        self.map[4096 + at : 4096 + at + len(data)] = data

    def read(self, at, count):
        if at >= PLUG:
            return self.plugged[at - PLUG : at - PLUG + count]
        return self.map[4096 + at : 4096 + at + count]


class Ring:
    def __init__(self, front, index, buffers, base):
        self.f, self.index, self.buffers, self.home = front, index, buffers, buffers
        # Where the buffers lie that the device has.
        self.where = {}
        self.desc = index * RING_AREA
        self.avail, self.used = self.desc + 0x8000, self.desc + 0xA000
        self.next = self.shown = self.last_used = base
        self.base = base
        self.free = list(range(front.size))
        self.chains = {}
        self.kick, self.call = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)

    def setup(self):
        f, i = self.f, self.index
        f.write(self.avail + 2, struct.pack("<H", self.base & 0xFFFF))
        f.write(self.used + 2, struct.pack("<H", self.base & 0xFFFF))
        f.message(8, struct.pack("<II", i, f.size))
        f.message(10, struct.pack("<II", i, self.base & 0xFFFF))
        self.tell_addresses(False)
        f.message(13, struct.pack("<Q", i), [self.call])
        f.message(12, struct.pack("<Q", i), [self.kick])

    def tell_addresses(self, logs):
        ring = (UVA + self.desc, UVA + self.used, UVA + self.avail)
        self.f.message(9, struct.pack("<IIQQQQ", self.index, int(logs), *ring, GPA + self.used if logs else 0))

    def describe(self, index, at, length, flags, following=0, table=None):
        where = self.desc if table is None else table
        self.f.write(where + 16 * index, struct.pack("<QIHH", GPA + at, length, flags, following))

    def offer(self, head):
        self.f.write(self.avail + 4 + 2 * (self.next % self.f.size), struct.pack("<H", head))
        self.next += 1

    def put_frame(self, frame, header, indirect, split):
        head = self.free.pop()
        at = self.buffers + head * BUFFER
        pieces = [header.ljust(self.f.header, b"\0"), frame]
        if len(frame) > BUFFER - 64:
            # Into the memory behind all buffers, one frame at a time.
            at = self.f.length - 0x100000
        if not split and not indirect:
            pieces = [b"".join(pieces)]
        if indirect:
            # A table at the buffer's end, the frame's halves apart.
            table = at + BUFFER - 64
            half = len(frame) // 2
            pieces = [pieces[0], frame[:half], frame[half:]]
            for k, piece in enumerate(pieces):
                self.f.write(at, piece)
                self.describe(k, at, len(piece), NEXT if k < 2 else 0, k + 1, table)
                at += len(piece)
            self.describe(head, table, 48, INDIRECT)
            self.chains[head] = [head]
        else:
            chain = [head] + [self.free.pop() for _ in pieces[1:]]
            for k, piece in enumerate(pieces):
                self.f.write(at, piece)
                last = k == len(pieces) - 1
                self.describe(chain[k], at, len(piece), 0 if last else NEXT, 0 if last else chain[k + 1])
                at += len(piece)
            self.chains[head] = chain
        self.offer(head)

    def put_buffer(self, length):
        head = self.free.pop()
        at = self.where[head] = self.buffers + head * BUFFER
        self.f.write(at, b"\xee" * length)
        self.describe(head, at, length, WRITE)
        self.chains[head] = [head]
        self.offer(head)

    def publish(self, kick=True):
        """Shows the device what is there, and kicks it if it wants that (and `kick`)."""
        f = self.f
        before, self.shown = self.shown, self.next
        f.write(self.avail + 2, struct.pack("<H", self.next & 0xFFFF))
        if f.features & EVENT_IDX:
            # Called for whatever comes next.
            f.write(self.avail + 4 + 2 * f.size, struct.pack("<H", self.last_used & 0xFFFF))
            (event,) = struct.unpack("<H", f.read(self.used + 4 + 8 * f.size, 2))
            wanted = ((self.next - event - 1) & 0xFFFF) < ((self.next - before) & 0xFFFF)
        else:
            wanted = struct.unpack("<H", f.read(self.used, 2))[0] & 1 == 0
        if wanted and kick and self.next != before:
            os.write(self.kick, struct.pack("<Q", 1))
        return wanted

    def used_total(self):
        (now,) = struct.unpack("<H", self.f.read(self.used + 2, 2))
        while self.last_used & 0xFFFF != now:
            head, _ = struct.unpack("<II", self.f.read(self.used + 4 + 8 * (self.last_used % self.f.size), 8))
            self.free += self.chains.pop(head)
            self.last_used += 1
        if self.f.features & EVENT_IDX:
            self.f.write(self.avail + 4 + 2 * self.f.size, struct.pack("<H", self.last_used & 0xFFFF))
        return self.last_used - self.base

    def has_used(self):
        return struct.unpack("<H", self.f.read(self.used + 2, 2))[0] != self.last_used & 0xFFFF

    def take_frame(self, again):
        """A frame, of as many buffers as its header says."""
        data, buffers, count = b"", 0, 1
        lengths = []
        while buffers < count:
            head, length = struct.unpack("<II", self.f.read(self.used + 4 + 8 * (self.last_used % self.f.size), 8))
            data += self.f.read(self.where[head], length)
            if buffers == 0 and self.f.header == 12:
                count = struct.unpack("<H", data[10:12])[0]
            lengths.append(length)
            self.free += self.chains.pop(head)
            self.last_used += 1
            buffers += 1
            if again:
                self.put_buffer(BUFFER)
        return {"header": data[: self.f.header].hex(), "frame": data[self.f.header :].hex(), "buffers": lengths}

    def wait(self, done):
        """Sleeps on the call descriptor as a driver does: what is not called for is not seen."""
        while not done():
            if self.f.features & EVENT_IDX:
                self.f.write(self.avail + 4 + 2 * self.f.size, struct.pack("<H", self.last_used & 0xFFFF))
                if done():
                    return
            ready, _, _ = select.select([self.call], [], [], 20)
            if not ready:
                raise TimeoutError("not called within 20 seconds")
            os.read(self.call, 8)


front = Front()
for line in sys.stdin:
    order = json.loads(line)
    try:
        answer = getattr(front, "op_" + order.pop("op"))(**order)
    except Exception as error:  # The test is told, and decides.
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
