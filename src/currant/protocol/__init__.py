"""What travels between Currant's processes: bytes to typed messages and back, without I/O.

A frame is four bytes of length (big-endian) and a msgpack array that begins with the message's tag.
"""
