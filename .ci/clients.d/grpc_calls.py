"""gRPC through the proxy: `grpc_calls.py HOST:PORT`. All four kinds of call, errors, trailers, deadlines."""

import queue
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

DEADLINE = 20


def expect_status(call, code):
    try:
        call()
        raise AssertionError(f"{code} did not come")
    except grpc.RpcError as error:
        assert error.code() == code, error
        return error


def converse(method):
    """Each answer is read before the next question is asked."""
    questions = queue.Queue()
    answers = method(iter(questions.get, None), timeout=DEADLINE)
    for number in range(100):
        questions.put(b"question %d" % number)
        assert next(answers) == b"QUESTION %d" % number
    questions.put(None)
    assert list(answers) == []
    assert answers.code() == grpc.StatusCode.OK


def main(target):
    with grpc.insecure_channel(target) as channel:
        shout = channel.unary_unary("/aya.Test/Shout")
        answer, call = shout.with_call(b"hello", timeout=DEADLINE)
        assert answer == b"HELLO"
        assert ("x-length", "5") in [tuple(item) for item in call.trailing_metadata()]
        assert shout(b"x" * 2**20, timeout=DEADLINE) == b"X" * 2**20
        failed = expect_status(lambda: shout(b"fail", timeout=DEADLINE), grpc.StatusCode.FAILED_PRECONDITION)
        assert failed.details() == "as you wish"
        assert ("x-why", "asked for") in [tuple(item) for item in failed.trailing_metadata()]
        missing = channel.unary_unary("/aya.Test/Missing")
        expect_status(lambda: missing(b"", timeout=DEADLINE), grpc.StatusCode.UNIMPLEMENTED)

        counted = channel.unary_stream("/aya.Test/Count")(b"1000", timeout=DEADLINE)
        assert [int(number) for number in counted] == list(range(1000))
        total = channel.stream_unary("/aya.Test/Total")
        assert total((b"12345" for _ in range(1000)), timeout=DEADLINE) == b"5000"
        method = channel.stream_stream("/aya.Test/Converse")
        converse(method)
        with ThreadPoolExecutor(20) as many:
            list(many.map(converse, [method] * 20))

        never = queue.Queue()
        silent = method(iter(never.get, None), timeout=0.5)
        expect_status(lambda: next(silent), grpc.StatusCode.DEADLINE_EXCEEDED)
        never.put(None)


main(sys.argv[1])
