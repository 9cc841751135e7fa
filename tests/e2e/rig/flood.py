"""Sends one UDP datagram for each of many flows, as fast as a raw socket takes them.

    python3 flood.py INTERFACE DESTINATION-MAC SOURCE DESTINATION FIRST COUNT [--pace PACKETS-PER-SECOND]

Flow n has source port 1024 + n % 60000 and destination port 10000 + n / 60000, so the IPv4 header is the same in
all of them; the UDP checksum is 0, which IPv4 allows.
"""

import argparse
import socket
import struct
import time

SOURCE_PORTS, FIRST_SOURCE, FIRST_DESTINATION = 60_000, 1024, 10_000
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20


def ports_of(number):
    return FIRST_SOURCE + number % SOURCE_PORTS, FIRST_DESTINATION + number // SOURCE_PORTS


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame_template(source_mac, destination_mac, source, destination):
    payload = b"flow"
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    length = 20 + 8 + len(payload)
    header = struct.pack("!BBHHHBBH", 0x45, 0, length, 0, 0x4000, 64, socket.IPPROTO_UDP, 0) + addresses
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    udp = struct.pack("!HHHH", 0, 0, 8 + len(payload), 0)
    return bytearray(destination_mac + source_mac + b"\x08\x00" + header + udp + payload)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("interface", "mac", "source", "destination"):
        parser.add_argument(name)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--pace", type=int, default=150_000)
    options = parser.parse_args()

    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    raw.bind((options.interface, 0))
    own_mac = raw.getsockname()[4]
    frame = frame_template(own_mac, bytes.fromhex(options.mac.replace(":", "")), options.source, options.destination)
    pack, send, place = struct.Struct("!HH").pack_into, raw.send, 14 + 20
    began, chunk = time.monotonic(), 256
    for start in range(options.first, options.first + options.count, chunk):
        for number in range(start, min(start + chunk, options.first + options.count)):
            pack(frame, place, *ports_of(number))
            send(frame)
        ahead = (start - options.first) / options.pace - (time.monotonic() - began)
        if ahead > 0.001:
            time.sleep(ahead)
    print(f"{options.count} sent in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
