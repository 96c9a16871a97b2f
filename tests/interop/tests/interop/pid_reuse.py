"""Connects to an agent as one process, and lets another speak on that connection.

pid_reuse.py AGENT_SOCKET OWN_SOCKET stay|pass

A child connects and leaves the connection to a grandchild, which offers it at OWN_SOCKET. With `pass` the child then ends,
and an impostor, the user nobody, comes by its PID. Says what has become of it, and ends when the standard input does.

CALLER_GROUP and IMPOSTOR_GROUP name control groups that the two join first, to be processes of two containers.
"""

import glob
import os
import socket
import sys
import threading


def join(variable):
    """Joins the control group that the environment names, in each hierarchy that has it."""
    group = os.environ.get(variable)
    for procs in glob.glob(f"/sys/fs/cgroup/*{group}/cgroup.procs") if group else []:
        with open(procs, "w", encoding="ascii") as file:
            file.write(str(os.getpid()))


def carry(source, target):
    """Copies bytes until there are no more."""
    while chunk := source.recv(65536):
        target.sendall(chunk)
    target.shutdown(socket.SHUT_RDWR)


def offer(connection, path, ready):
    """Offers the connection at a socket, to one who comes."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    os.write(ready, b".")
    near, _ = listener.accept()
    threading.Thread(target=carry, args=(near, connection), daemon=True).start()
    carry(connection, near)


def caller(agent, path, ready, how, stay):
    """Connects; the connection is the grandchild's from then on."""
    join("CALLER_GROUP")
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(agent)
    # The agent speaks first, once it has taken the connection and knows whose it is; the byte is left for who reads it.
    connection.recv(1, socket.MSG_PEEK)
    grandchild = os.fork()
    if grandchild == 0:
        try:
            offer(connection, path, ready)
        finally:
            os._exit(0)
    os.write(ready, grandchild.to_bytes(4, "big"))
    if how == "stay":
        os.read(stay, 1)
    os._exit(0)


def impostor(pid, hold_in, hold_out):
    """Makes processes until one has the PID; that one becomes nobody and stays until this one closes its end."""
    for _ in range(2000):
        with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
            last.write(str(pid - 1))
        child = os.fork()
        if child == 0:
            if os.getpid() == pid:
                os.close(hold_out)
                join("IMPOSTOR_GROUP")
                os.setgid(65534)
                os.setuid(65534)
                os.read(hold_in, 1)
            os._exit(0)
        if child == pid:
            return True
        os.waitpid(child, 0)
    return False


def main():
    """Sets the scene."""
    agent, path, how = sys.argv[1:]
    ready_in, ready_out = os.pipe()
    hold_in, hold_out = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(hold_out)
        caller(agent, path, ready_out, how, hold_in)
    told = b""
    while len(told) < 5:
        told += os.read(ready_in, 5)
    if how == "pass":
        os.waitpid(first, 0)
        print("reused" if impostor(first, hold_in, hold_out) else "not reused", flush=True)
    else:
        print("stayed", flush=True)
    sys.stdin.read()
    os.close(hold_out)
    grandchild = int.from_bytes(told.replace(b".", b"", 1)[:4], "big")
    try:
        os.kill(grandchild, 9)
    except ProcessLookupError:
        pass


main()
