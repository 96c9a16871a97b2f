"""Calls the Workload API over C-core gRPC, which sends its default authority.

usage: fetch.py SOCKET ID     ends well when the X.509-SVID of ID is in the first answer
"""

import sys

import grpc

SECURITY_HEADER = (("workload.spiffe.io", "true"),)


def fetch(channel, metadata):
    """The first message of FetchX509SVID, as bytes: its request has no fields."""
    call = channel.unary_stream(
        "/SpiffeWorkloadAPI/FetchX509SVID",
        request_serializer=bytes,
        response_deserializer=bytes,
    )
    return next(call(b"", metadata=metadata, timeout=30))


def main():
    socket, identity = sys.argv[1:]
    with grpc.insecure_channel(f"unix://{socket}") as channel:
        answer = fetch(channel, SECURITY_HEADER)
        assert identity.encode() in answer, answer
        try:
            fetch(channel, ())
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
            assert error.details() == "security header missing from request", error
        else:
            raise AssertionError("a call without the security header was answered")
    print("in order")


main()
