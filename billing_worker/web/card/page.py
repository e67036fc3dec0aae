"""The card page as HTML: no inline script, no card field, and every text from the catalogue."""

import json
from html import escape
from importlib.resources import files
from urllib.parse import urlsplit

from billing_worker.config.card_page import CardPage
from billing_worker.domain.card_session import CardSession
from billing_worker.domain.language import Language
from billing_worker.texts.catalogue import catalogue

STATES = ("ready", "working", "waiting", "done", "declined", "closed", "trouble", "failed", "expired")
ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}

_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/card-assets/page.css">
</head>
<body>
<main data-state="{state}" data-detail="{detail}">
<div class="mark" aria-hidden="true"><svg viewBox="0 0 24 24"><path d="M5 12.5l4.5 4.5L19 7.5"/></svg></div>
<h1>{title}</h1>
<p class="lead">{lead}</p>
{rows}
<p class="note" role="status" aria-live="polite">{note}</p>
<button type="button" hidden>{button}</button>
{back}
<p class="small">{safe}</p>
<noscript><p class="small">{noscript}</p></noscript>
</main>
<footer>{footer}</footer>
<script type="application/json" id="texts">{texts}</script>
{scripts}
</body>
</html>
"""


def asset(name: str) -> bytes:
    """A file of the page. Raises KeyError for any other name."""
    _ = ASSETS[name]
    return files("billing_worker.web.card").joinpath(name).read_bytes()


def policy(page: CardPage) -> str:
    """The content policy: scripts of ours and of the SDK's host, and no other.

    The window itself is a frame or a form of the PG, whose hosts no document lists. So frames and forms may go to any
    https address where the SDK is the real one. Styles may be inline, since the SDK writes them.
    """
    sdk = _origin(page.sdk_url)
    family = f"{sdk} https://*.iamport.kr https://*.iamport.co" if sdk.endswith("iamport.kr") else sdk
    others = f"{family} https:" if sdk.startswith("https:") else family
    rules = (
        "default-src 'none'",
        f"script-src 'self' {family}",
        "style-src 'self' 'unsafe-inline'",
        f"img-src 'self' data: {others}",
        f"connect-src 'self' {family}",
        f"frame-src {others}",
        f"form-action {others}",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    return "; ".join(rules)


def rendered(page: CardPage, session: CardSession | None, state: str, language: Language, detail: str = "") -> str:
    """The page in one state. Without a session (a link that is not ours), it shows only that."""
    words = _words(language)
    shown = words[state]
    is_over = session is None or state in ("done", "failed", "expired")
    scripts = "" if session is None else '<script src="/card-assets/page.js" defer></script>'
    sdk = "" if is_over else f'<script src="{escape(page.sdk_url)}" defer></script>\n'
    return _PAGE.format(
        language=language.value,
        state=state,
        detail=escape(detail),
        title=escape(shown["title"]),
        lead=escape(shown["lead"]),
        note=escape(" ".join(part for part in (shown["note"], detail) if part)),
        rows=_rows(session, language) if session is not None else "",
        button=escape(_text(language, "button.ready")),
        back=_back(session, state, language) if session is not None else "",
        safe=escape(_text(language, "safe")),
        noscript=escape(_text(language, "noscript")),
        footer=escape(_text(language, "footer")),
        texts=_json(words | {"again": _text(language, "button.again")}),
        scripts=sdk + scripts,
    )


def _rows(session: CardSession, language: Language) -> str:
    money = session.money
    free = _text(language, "amount.none")
    amount = f"{money.major:,}{_text(language, 'won') if money.currency == 'KRW' else ' ' + money.currency}"
    rows = [("row.product", session.product), ("row.amount", amount if money.amount else free)]
    if session.subscription_id is not None:
        rows.append(("row.purpose", _text(language, "purpose.replace")))
    lines = (f"<div><dt>{escape(_text(language, name))}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    return f"<dl>{''.join(lines)}</dl>"


def _back(session: CardSession, state: str, language: Language) -> str:
    if session.return_url is None:
        return ""
    hidden = "" if state in ("done", "failed", "expired") else " hidden"
    return f'<a class="back" href="{escape(session.return_url)}"{hidden}>{escape(_text(language, "button.back"))}</a>'


def _words(language: Language) -> dict[str, dict[str, str]]:
    words = {
        state: {part: _text(language, f"{state}.{part}") for part in ("title", "lead", "note")} for state in STATES
    }
    words["ready"]["button"] = _text(language, "button.ready")
    words["working"]["button"] = _text(language, "button.working")
    return words


def _text(language: Language, name: str) -> str:
    texts = catalogue(language, "card_page").texts
    return texts.get(name, "") if name.endswith(".note") else texts[name]


def _json(value: object) -> str:
    """JSON that cannot end the element around it."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
