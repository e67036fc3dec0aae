"""Answers that the fuzzer once found, with what was wrong: (HTTP status, body). `make fuzz` prints new ones."""

REGRESSIONS: dict[str, tuple[int, bytes]] = {
    "a token spelt with escapes went into the reason": (
        401,
        b'{"code":-1,"message":"Unauthorize|ca\\u006eary\\u0074oke\\u006e01\\u00323456\\u0037\\u00389|d","response":"KRW"}',
    ),
    "a secret spelt with escapes went into the reason": (
        429,
        b'{"code":-1,"message":"|\\u0063anary-imp-secret-77a\\u0062|","response":null}',
    ),
    "a card number as merchant_uid went into the reason": (
        200,
        (
            b'{"code":0,"message":null,"response":{"imp_uid":"imps_1","merchant_uid":"|3782 822463 10005|fuzzorder",'
            b'"customer_uid":"fuzzcard","amount":9900,"currency":"KRW","status":"paid"}}'
        ),
    ),
    "a page of thousands of tiny payments took 170 ms": (
        200,
        b'{"code":0,"response":['
        + b",".join([b'{"imp_uid":"a","merchant_uid":"fuzzorder","amount":1,"currency":"KRW","status":"paid"}'] * 9_000)
        + b"]}",
    ),
    "a megabyte of names took 120 ms": (
        200,
        b'{"code":0,"response":{' + b",".join(b'"k%d":1' % number for number in range(80_000)) + b"}}",
    ),
}
