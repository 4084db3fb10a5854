"""Faults of an S3 server in the handling of signed URLs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote, unquote_to_bytes

from tests.exemplar.sigv4 import MAX_EXPIRES_S, UNSIGNED, _signature, real_now, signing_key
from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault


def _age_s(request: Request) -> float:
    """Return the age of a signed URL in seconds, negative for one of the future; 0 where its date cannot be read."""
    try:
        signed_at = datetime.strptime(request.query.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return real_now() - signed_at.timestamp()


def _denied(message: str, code: str = "AccessDenied", status: int = 403) -> Response:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return Response(status=status, headers=(("Content-Type", "application/xml"),), body=body)


def _refused_for(answer: Response | None, reason: str) -> bool:
    return answer is not None and reason.encode() in answer.body


def _true_signature(request: Request, forward: Forward) -> str:
    """Return the signature that the request should have; '' if its form is wrong."""
    query, credentials = request.query, forward.upstream.credentials
    scope = query.get("X-Amz-Credential", "").partition("/")[2]
    date = query.get("X-Amz-Date", "")
    if scope.count("/") != 3 or not date:
        return ""
    key = signing_key(credentials.secret_key, date[:8], credentials.region)
    return _signature(request, query.get("X-Amz-SignedHeaders", "").split(";"), UNSIGNED, date, scope, key)


def _is_url_get(request: Request) -> bool:
    return request.is_presigned and request.is_object("GET")


def _is_url_put(request: Request) -> bool:
    return request.is_presigned and request.is_object("PUT")


@fault("url-serves-first-64-kib", "a download by URL ends after its first 64 KiB, as if whole", breaks=["URL-001"])
def serves_first_64_kib(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return answer.with_body(answer.body[: 64 * 1024]) if _is_url_get(request) else answer


@fault("url-dies-a-tenth-early", "a URL dies after nine tenths of its life", breaks=["URL-002"])
def dies_early(request: Request, forward: Forward) -> Response:
    life = request.query.get("X-Amz-Expires", "")
    if request.is_presigned and life.isdigit() and _age_s(request) > 0.9 * int(life):
        return _denied("Request has expired")
    return forward(request)


@fault("url-dies-at-midnight", "a URL dies with the day of its scope: the signing key is today's", breaks=["URL-005"])
def dies_at_midnight(request: Request, forward: Forward) -> Response:
    today = datetime.fromtimestamp(real_now(), UTC).strftime("%Y%m%d")
    if request.is_presigned and request.query.get("X-Amz-Date", "")[:8] < today:
        return _denied("The signature does not match", "SignatureDoesNotMatch")
    return forward(request)


@fault("expired-url-serves-ranges", "a request with a Range skips the check of the period", breaks=["URL-003"])
def serves_expired_ranges(request: Request, forward: Forward) -> Response:
    if request.has_header("range") and _refused_for(forward.authentic(request), "Request has expired"):
        return forward.trusted(request)
    return forward(request)


@fault(
    "refusal-shows-the-object",
    "the body of a refusal is the object's: the status alone was changed",
    breaks=["URL-003", "URL-009", "URL-012", "URL-017"],
)
def refusal_shows_the_object(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if answer.status < 400 or not request.is_object("GET"):
        return answer
    seen = forward.trusted(Request(method="GET", target=request.path, headers=(("Host", request.header("host")),)))
    return answer.with_body(answer.body + seen.body) if seen.status == 200 else answer


@fault("accepts-lives-over-a-week", "X-Amz-Expires has no upper bound", breaks=["URL-024", "URL-025"])
def accepts_long_lives(request: Request, forward: Forward) -> Response:
    life = request.query.get("X-Amz-Expires", "")
    too_long = request.is_presigned and life.isdigit() and int(life) > MAX_EXPIRES_S
    return forward.trusted(request) if too_long else forward(request)


@fault(
    "refuses-lives-over-a-week-as-expired",
    "a life over a week is refused as a URL past its end is",
    breaks=["URL-025"],
    origin="Ceph RGW and S3Proxy answer 403 AccessDenied",
)
def refuses_long_lives_as_expired(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    life = request.query.get("X-Amz-Expires", "")
    too_long = request.is_presigned and life.isdigit() and int(life) > MAX_EXPIRES_S
    return _denied("Request has expired") if too_long and answer.status == 400 else answer


@fault(
    "reads-lives-leniently",
    "an X-Amz-Expires that is no number never ends: no comparison with NaN is true",
    breaks=["URL-007"],
)
def reads_lives_leniently(request: Request, forward: Forward) -> Response:
    is_number = re.fullmatch("-?[0-9]+", request.query.get("X-Amz-Expires", "0"))
    return forward.trusted(request) if request.is_presigned and not is_number else forward(request)


@fault("life-of-zero-never-ends", "X-Amz-Expires=0 stands for no end at all", breaks=["URL-007"])
def life_of_zero(request: Request, forward: Forward) -> Response:
    endless = request.is_presigned and request.query.get("X-Amz-Expires") == "0"
    return forward.trusted(request) if endless else forward(request)


@fault("serves-urls-of-the-future", "the date of a URL is never compared with now", breaks=["URL-008"])
def serves_the_future(request: Request, forward: Forward) -> Response:
    early = request.is_presigned and _refused_for(forward.authentic(request), "not valid yet")
    return forward.trusted(request) if early else forward(request)


@fault("refuses-clocks-a-minute-ahead", "a URL dated half a minute ahead is refused", breaks=["URL-008"])
def refuses_clocks_ahead(request: Request, forward: Forward) -> Response:
    return _denied("Request is not valid yet") if request.is_presigned and _age_s(request) < -30 else forward(request)


@fault(
    "compares-half-the-signature",
    "the signature is compared up to half its length",
    breaks=["URL-009", "URL-021", "URL-022"],
)
def compares_half(request: Request, forward: Forward) -> Response:
    given = request.query.get("X-Amz-Signature", "")
    if _refused_for(forward.authentic(request), "SignatureDoesNotMatch") and len(given) >= 32:
        return forward.trusted(request) if given[:32] == _true_signature(request, forward)[:32] else forward(request)
    return forward(request)


@fault("key-is-not-signed", "a URL for one object of a bucket opens every other", breaks=["URL-009"])
def key_is_not_signed(request: Request, forward: Forward) -> Response:
    if _is_url_get(request) and _refused_for(forward.authentic(request), "SignatureDoesNotMatch"):
        listing = Request(
            method="GET", target=f"/{request.bucket}?list-type=2", headers=(("Host", request.header("host")),)
        )
        keys = re.findall(rb"<Contents><Key>([^<]+)</Key>", forward.trusted(listing).body)
        if any(forward.authentic(request.with_key(key.decode())) is None for key in keys):
            return forward.trusted(request)
    return forward(request)


@fault(
    "takes-the-last-of-two-lives",
    "of two X-Amz-Expires the first is signed and the last is obeyed",
    breaks=["URL-009"],
)
def takes_the_last_life(request: Request, forward: Forward) -> Response:
    lives = [value for name, value in request.pairs if name == "X-Amz-Expires"]
    if len(lives) < 2:
        return forward(request)
    first = request.with_query(X_Amz_Expires=lives[0])
    genuine = _true_signature(first, forward) == request.query.get("X-Amz-Signature")
    if genuine and lives[-1].isdigit() and _age_s(request) < int(lives[-1]):
        return forward.trusted(request)
    return forward(request)


@fault(
    "refusal-tells-the-true-signature",
    "SignatureDoesNotMatch says which signature would have matched",
    breaks=["URL-009"],
)
def tells_the_signature(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if answer.status == 403 and b"SignatureDoesNotMatch" in answer.body and request.is_presigned:
        element = f"<Expected>{_true_signature(request, forward)}</Expected></Error>".encode()
        return answer.with_body(answer.body.replace(b"</Error>", element))
    return answer


@fault("url-good-for-any-method", "the method is left out of the signature", breaks=["URL-010"])
def good_for_any_method(request: Request, forward: Forward) -> Response:
    if request.is_presigned and _refused_for(forward.authentic(request), "SignatureDoesNotMatch"):
        others = (replace(request, method=method) for method in ("GET", "PUT"))
        if any(forward.authentic(other) is None for other in others):
            return forward.trusted(request)
    return forward(request)


@fault("decodes-overrides-twice", "the signed file name is percent-decoded once more", breaks=["URL-011"])
def decodes_overrides_twice(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    value = answer.header("Content-Disposition")
    if "%" not in value or not _is_url_get(request):
        return answer
    return answer.with_header("Content-Disposition", unquote_to_bytes(value.encode("latin-1")).decode("latin-1"))


@fault("overrides-are-not-signed", "response-… parameters are left out of the signature", breaks=["URL-012"])
def overrides_are_not_signed(request: Request, forward: Forward) -> Response:
    overrides = [name for name in request.query if name.startswith("response-")]
    if not overrides or forward.authentic(request) is None:
        return forward(request)
    return forward.authentic(request.with_query(drop=overrides)) or forward.trusted(request)


@fault(
    "url-serves-what-it-was-signed-for",
    "what a URL once gave is kept for it, whatever becomes of the object",
    breaks=["URL-013"],
)
def serves_what_was_there(request: Request, forward: Forward) -> Response:
    if not _is_url_get(request):
        return forward(request)
    with forward.lock:
        kept: Response | None = forward.memory.get(request.target)
        if kept is None:
            kept = forward.memory[request.target] = forward(request)
    return kept


@fault("decodes-keys-of-urls-twice", "the key of a signed URL is percent-decoded twice", breaks=["URL-026"])
def decodes_keys_twice(request: Request, forward: Forward) -> Response:
    key = unquote(request.key)
    if not _is_url_get(request) or key == request.key or not key or forward.authentic(request) is not None:
        return forward(request)
    return forward.trusted(request.with_key(key))


@fault("url-ignores-ranges", "a signed URL gives the whole object, whatever range is asked for", breaks=["URL-015"])
def ignores_ranges(request: Request, forward: Forward) -> Response:
    return forward(request.with_header("Range", None) if _is_url_get(request) else request)


@fault("url-range-end-is-exclusive", "the last byte of a range is left out", breaks=["URL-015"])
def range_end_is_exclusive(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return answer.with_body(answer.body[:-1]) if answer.status == 206 else answer


@fault("signed-put-stores-nothing", "a PUT by URL is answered 200 and kept nowhere", breaks=["URL-016", "URL-023"])
def put_stores_nothing(request: Request, forward: Forward) -> Response:
    if not _is_url_put(request):
        return forward(request)
    return forward.authentic(request) or Response(status=200, headers=(("ETag", '"0"'),))


@fault("signed-put-drops-the-last-byte", "a PUT by URL loses its last byte", breaks=["URL-016", "URL-023"])
def put_drops_a_byte(request: Request, forward: Forward) -> Response:
    if not _is_url_put(request):
        return forward(request)
    return forward.authentic(request) or forward.trusted(request.with_body(request.body[:-1]))


@fault("serves-without-a-signature", "an object is given to whoever asks", breaks=["URL-017", "URL-021"])
def serves_unsigned(request: Request, forward: Forward) -> Response:
    bare = not request.has_header("authorization") and "X-Amz-Signature" not in request.query
    return forward.trusted(request) if bare and request.is_object("GET") else forward(request)


@fault(
    "serves-unknown-access-keys",
    "an unknown access key is treated as a guest's",
    breaks=["URL-017", "URL-021", "URL-022"],
)
def serves_unknown_keys(request: Request, forward: Forward) -> Response:
    unknown = request.is_presigned and _refused_for(forward.authentic(request), "InvalidAccessKeyId")
    return forward.trusted(request) if unknown else forward(request)


@fault("expired-url-gets-400", "an expired URL is answered 400 instead of 403", breaks=["URL-018"], origin="Garage")
def expired_gets_400(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return replace(answer, status=400) if _refused_for(forward.authentic(request), "Request has expired") else answer


@fault("refused-head-has-a-body", "the refusal of a HEAD carries its error document", breaks=["URL-018"])
def refused_head_has_a_body(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if request.method == "HEAD" and answer.status == 403:
        return replace(answer, junk_after=_denied("Request has expired").body)
    return answer


@fault("url-serves-once", "a URL is used up by its first use", breaks=["URL-013", "URL-020"])
def serves_once(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if not _is_url_get(request) or answer.status != 200:
        return answer
    with forward.lock:
        used = forward.memory.setdefault("used", set())
        if request.target in used:
            return _denied("Request has expired")
        used.add(request.target)
    return answer


@fault(
    "unknown-access-key-gets-404",
    "an unknown access key is answered as if something were missing",
    breaks=["URL-021"],
    origin="VersityGW",
)
def unknown_key_gets_404(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    return _denied("no such user", "XNoSuchUser", 404) if b"InvalidAccessKeyId" in answer.body else answer


@fault("stores-before-it-refuses", "a PUT is stored first and its URL checked afterwards", breaks=["URL-022"])
def stores_before_it_refuses(request: Request, forward: Forward) -> Response:
    refused = forward.authentic(request) if _is_url_put(request) else None
    if refused is None:
        return forward(request)
    forward.trusted(request)
    return refused


@fault("signed-headers-are-not-checked", "headers named as signed may be anything, or missing", breaks=["URL-023"])
def signed_headers_are_not_checked(request: Request, forward: Forward) -> Response:
    bound = _is_url_put(request) and request.query.get("X-Amz-SignedHeaders", "host") != "host"
    return forward.trusted(request.with_body(request.body)) if bound else forward(request)


@fault("signed-put-ignores-checksums", "a PUT by URL is stored whatever its checksums say", breaks=["URL-023"])
def put_ignores_checksums(request: Request, forward: Forward) -> Response:
    if not _is_url_put(request):
        return forward(request)
    return forward.authentic(request) or forward.trusted(request.with_body(request.body))


@fault(
    "remembers-good-signatures",
    "a signature that was good once is good for whatever it is shown with",
    breaks=["URL-009", "URL-010", "URL-012", "URL-022"],
    origin="a gateway that caches what it has verified by the signature alone",
)
def remembers_good_signatures(request: Request, forward: Forward) -> Response:
    signature = request.query.get("X-Amz-Signature", "")
    if not request.is_presigned or not signature:
        return forward(request)
    good = forward.authentic(request) is None
    with forward.lock:
        known = forward.memory.setdefault("good", set())
        if good:
            known.add(signature)
        elif signature in known:
            return forward.trusted(request)
    return forward(request)


@fault("refuses-every-head-by-url", "a HEAD by URL is refused, whatever it was signed for", breaks=["URL-018"])
def refuses_every_head(request: Request, forward: Forward) -> Response:
    return _denied("Access Denied") if request.is_presigned and request.method == "HEAD" else forward(request)


@fault(
    "distrusts-a-url-that-was-tampered-with",
    "a signed URL is no longer served once somebody has tried a changed one",
    breaks=["URL-009", "URL-012"],
)
def distrusts_what_was_tampered_with(request: Request, forward: Forward) -> Response:
    if not request.is_presigned:
        return forward(request)
    answer = forward(request)
    with forward.lock:
        distrusted = forward.memory.setdefault("distrusted", set())
        if answer.status >= 400:
            distrusted.add(request.path)
        elif request.path in distrusted:
            return _denied("Access Denied")
    return answer


@fault("url-for-get-gives-head", "a URL that was signed for GET is good for HEAD", breaks=["URL-010"])
def get_gives_head(request: Request, forward: Forward) -> Response:
    if request.is_presigned and request.method == "HEAD" and forward.authentic(request) is not None:
        return forward.authentic(replace(request, method="GET")) or forward.trusted(request)
    return forward(request)


@fault(
    "ignores-a-token-that-was-added",
    "X-Amz-Security-Token is left out of what a URL signs",
    breaks=["URL-009"],
)
def ignores_an_added_token(request: Request, forward: Forward) -> Response:
    if not request.is_presigned or "X-Amz-Security-Token" not in request.query:
        return forward(request)
    bare = request.with_query(drop=["X-Amz-Security-Token"])
    return forward.authentic(bare) or forward.trusted(bare)


def _without_overrides(request: Request, forward: Forward, forgotten: list[str]) -> Response:
    refused = forward.authentic(request)
    return refused or forward.trusted(request.with_query(drop=forgotten))


@fault("knows-four-overrides", "response-expires and response-content-language are passed over", breaks=["URL-032"])
def knows_four_overrides(request: Request, forward: Forward) -> Response:
    forgotten = [name for name in ("response-expires", "response-content-language") if name in request.query]
    return _without_overrides(request, forward, forgotten) if forgotten and _is_url_get(request) else forward(request)


@fault("range-forgets-overrides", "the answer to a Range has the headers that were stored", breaks=["URL-032"])
def range_forgets_overrides(request: Request, forward: Forward) -> Response:
    forgotten = [name for name in request.query if name.startswith("response-")]
    ranged = forgotten and request.has_header("range") and _is_url_get(request)
    return _without_overrides(request, forward, forgotten) if ranged else forward(request)
