"""The code book of Paymentwall."""

from billing_worker.domain.declines.books.book import book

BOOK = book(
    "direct-brick-error_codes.md",
    """
balance: 3011
expired: 223 3004 3005 3006 3102 3206
key_gone: 3111 3112 3114
fraud: 5000
wrong_card_data: 224 225 3003 3009 3013 3014 3101 3103 3104 3301 3302 3303 3304 3305 3306
communication: 1000 231 700
duplicate: 3205
merchant_configuration ask_gateway: 3201 3202 3203 3204
merchant_configuration: 200 2111 3000 3002 3008 3113 3115 3116 3401 3402 3403 3404 3405 3406 3407 3408 4004 4005 4006
  4007 4008
merchant_contract: 1001 1003 3001
issuer_refused: 3010 3012
""",
    firm="""
issuer_refused: 3200
""",
)
