"""Says of what arrives at an interface whether its checksums are right, by adding them up; shares no code with the program.

sums.py INTERFACE COUNT: prints `ready`, then, when COUNT TCP or UDP frames have arrived (or two quiet seconds have passed
after the first), a line of JSON: frames, of them with a wrong checksum, and the longest."""
import json
import socket
import struct
import sys

sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sock.bind((sys.argv[1], 0))
want = int(sys.argv[2])
print("ready", flush=True)


def total(data):
    if len(data) % 2:
        data += b"\0"
    value = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return value


seen = wrong = longest = 0
sock.settimeout(20)
try:
    while seen < want:
        frame, address = sock.recvfrom(70000)
        if address[2] == 4:  # PACKET_OUTGOING
            continue
        kind, at = struct.unpack("!H", frame[12:14])[0], 14
        while kind in (0x8100, 0x88A8):
            kind, at = struct.unpack("!H", frame[at + 2 : at + 4])[0], at + 4
        if kind == 0x0800:
            head, end = (frame[at] & 15) * 4, struct.unpack("!H", frame[at + 2 : at + 4])[0]
            protocol, addresses = frame[at + 9], frame[at + 12 : at + 20]
        elif kind == 0x86DD:
            head, end = 40, 40 + struct.unpack("!H", frame[at + 4 : at + 6])[0]
            protocol, addresses = frame[at + 6], frame[at + 8 : at + 40]
        else:
            continue
        if protocol not in (6, 17):
            continue
        payload = frame[at + head : at + end]
        if protocol == 17 and payload[6:8] == b"\0\0":
            continue
        seen += 1
        longest = max(longest, len(frame))
        sock.settimeout(2)
        if total(addresses + struct.pack("!HH", protocol, len(payload)) + payload) != 0xFFFF:
            wrong += 1
except socket.timeout:
    pass
print(json.dumps({"frames": seen, "wrong": wrong, "longest": longest}), flush=True)
