"""Sends COUNT frames through INTERFACE by a raw socket: ordinary ones, and all that goes wrong. odd.py INTERFACE COUNT SEED"""
import random
import socket
import struct
import sys

sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind((sys.argv[1], 0))
rng = random.Random(int(sys.argv[3]))
MACS = bytes.fromhex("020000000002"), bytes.fromhex("020000000003"), b"\xff" * 6


def ipv4():
    options = rng.choice([0, 0, 0, 4, 40])
    protocol = rng.choice([6, 17, 17, 1, 47, 132])
    fragment = rng.choice([0, 0, 0, 0x2000, 0x0010])
    payload = rng.randbytes(rng.choice([0, 3, 4, 8, 20, 60]))
    length = rng.choice([20 + options + len(payload)] * 4 + [0, 20, 65535])
    head = struct.pack(
        "!BBHHHBBH", 0x45 + options // 4, 0, length, 1, fragment, 64, protocol, 0
    )
    head += rng.randbytes(8) + b"\1" * options
    return 0x0800, head + payload


def ipv6():
    body, last = b"", rng.choice([6, 17, 58, 44])
    kinds = [rng.choice([0, 43, 60]) for _ in range(rng.choice([0, 0, 0, 1, 3]))]
    for k in range(len(kinds)):
        following = kinds[k + 1] if k + 1 < len(kinds) else last
        body += bytes([following, 0]) + rng.randbytes(6)
    body += rng.randbytes(rng.choice([0, 4, 8, 20]))
    length = rng.choice([len(body)] * 4 + [0, 65535])
    first = kinds[0] if kinds else last
    return 0x86DD, struct.pack("!IHBB", 6 << 28, length, first, 64) + rng.randbytes(32) + body


def other():
    return rng.choice([0x0806, 0x1234, 0x0800, 0x86DD]), rng.randbytes(rng.choice([1, 10, 46]))


for _ in range(int(sys.argv[2])):
    kind, packet = rng.choice([ipv4, ipv4, ipv4, ipv6, ipv6, other])()
    tags = b""
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        tags += struct.pack("!HH", rng.choice([0x8100, 0x88A8]), rng.randrange(4096))
    frame = rng.choice(MACS) + rng.randbytes(6) + tags + struct.pack("!H", kind) + packet
    sock.send(frame[: rng.choice([len(frame)] * 6 + [rng.randrange(14, len(frame) + 1)])])
