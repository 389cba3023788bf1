# Speaks to the broker as elevate does, or as it never would. Tests give the rest of the program.
import os, socket, struct, sys


def text(value):
    return struct.pack("<I", len(value)) + value


def many(values):
    return struct.pack("<I", len(values)) + b"".join(text(value) for value in values)


def ask(arguments, terminal=0, version=1):
    arguments = [os.fsencode(argument) for argument in arguments]
    mask = struct.pack("<Q", 0o022)
    return bytes([1, version]) + many(arguments) + many([]) + many([]) + mask + bytes([terminal, 0])


def answer(value):
    return bytes([2]) + many([value])


def signal(number):
    return bytes([3]) + struct.pack("<Q", number)


def framed(message):
    return struct.pack("<I", len(message)) + message


def connect():
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(os.environ["EPM_SOCKET"])
    return connection


def given():
    return [0, 1, 2, os.open("/", os.O_PATH | os.O_DIRECTORY)]


def send(connection, message, descriptors=()):
    socket.send_fds(connection, [framed(message)], list(descriptors))


def everything(connection):
    """All that is said until the broker closes the connection."""
    said = b""
    try:
        while True:
            part = connection.recv(65536)
            if not part:
                return said
            said += part
    except ConnectionResetError:
        return said
