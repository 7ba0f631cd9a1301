"""One TCP connection and some datagrams: bulk.py serve ADDRESS | bulk.py send ADDRESS BYTES DATAGRAMS.

The server prints `ready`, then how many bytes the connection has brought."""
import socket
import sys

address = (sys.argv[2], 5000)
if sys.argv[1] == "serve":
    listening = socket.create_server(address)
    print("ready", flush=True)
    connection, _ = listening.accept()
    got = 0
    while True:
        piece = connection.recv(1 << 16)
        if not piece:
            break
        got += len(piece)
    connection.sendall(b"done")
    print(got, flush=True)
else:
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for k in range(int(sys.argv[4])):
        datagrams.sendto(bytes([k & 255]) * (k % 1400 + 1), (sys.argv[2], 6000))
    connection = socket.create_connection(address, timeout=30)
    connection.sendall(b"x" * int(sys.argv[3]))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(4)
