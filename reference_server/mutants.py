"""Servers with one thing wrong, to test the suite with: each must turn the right clauses red.

A mutant is `documented` with one rule changed or one fault added. `source` says where the mistake was seen: a
Kazoo release or commit, or the sentence of the Devices page that it breaks.
"""

from __future__ import annotations

from reference_server.faults import Delay, Drop, EditBody, EditHeader, Fault, Kind, Match, Misdirect
from reference_server.mutant import faulty, rule_changed
from reference_server.mutants_calls import CALL_MUTANTS
from reference_server.mutants_kazoo import KAZOO_MUTANTS
from reference_server.mutants_presence import PRESENCE_MUTANTS

_CHECK_SYNC = Match(method="NOTIFY", event="check-sync")
_PAGE = "Devices page, Sync"

_SYNC = (
    rule_changed(
        "sync-forgotten",
        "sync.request",
        "silent",
        ("SYNC-01", "SYNC-06"),
        "5.0 (swapped branches); 3.21 before 06a15811db",
        "POST /sync is answered as ever and nothing is sent",
    ),
    rule_changed(
        "sync-flag-forgotten",
        "sync.on_true",
        "silent",
        ("SYNC-02", "SYNC-16"),
        "4.3 before 2740df9989: the flag was lost on save",
        "an update with sync true sends nothing",
    ),
    rule_changed(
        "sync-needs-changed-credentials",
        "sync.needs",
        "changed_credentials",
        ("SYNC-02",),
        "3.21 to 4.3",
        "sync true counts only when username or password change",
    ),
    rule_changed(
        "sync-ignores-flag",
        "sync.on_false",
        "attempted",
        ("SYNC-03",),
        "5.0: every save sends one",
        "a check-sync although sync is false",
    ),
    rule_changed(
        "sync-without-flag",
        "sync.on_absent",
        "attempted",
        ("SYNC-04",),
        "5.0: every save sends one",
        "a check-sync although the update does not mention sync",
    ),
    rule_changed(
        "sync-late-although-false",
        "sync.on_false",
        "late",
        ("SYNC-03",),
        "5.0, with a queue in between",
        "the forbidden check-sync comes one second late",
    ),
    rule_changed(
        "expired-contact-notified",
        "registrar.expiry",
        "ignored",
        ("SYNC-05", "SIP-04"),
        f"{_PAGE}: if the device is registered",
        "a registration never ends by itself",
    ),
    rule_changed(
        "unregister-ignored",
        "registrar.unregister",
        "ignored",
        ("SYNC-05",),
        f"{_PAGE}: if the device is registered",
        "Expires 0 is acknowledged, the contact stays",
    ),
    faulty(
        "sync-late-and-misdirected",
        Fault(match=_CHECK_SYNC, actions=(Delay(seconds=1.0), Misdirect())),
        ("SYNC-01", "SYNC-07"),
        "ecallmgr: a stale registrar cache after a move",
        "the check-sync comes one second late and reaches the other device",
    ),
    rule_changed(
        "sync-twice",
        "sync.copies",
        2,
        ("SYNC-08", "SYNC-24"),
        "4.x: the registration flush sends one of its own",
        "two check-syncs for one request",
    ),
    rule_changed(
        "sync-wrong-event",
        "sync.event",
        "reboot",
        ("SYNC-01", "SYNC-02"),
        "4.3: provision.check_sync_event",
        "the NOTIFY says Event: reboot",
    ),
    faulty(
        "sync-active-state",
        Fault(match=_CHECK_SYNC, actions=(EditHeader(name="Subscription-State", value="active;expires=60"),)),
        ("SYNC-09",),
        "RFC 6665 4.1.3",
        "the NOTIFY claims that a subscription goes on",
    ),
    faulty(
        "sync-with-body",
        Fault(match=_CHECK_SYNC, actions=(EditBody(body="reboot=true\r\n"),)),
        ("SYNC-09",),
        "4.2 and later: notify action",
        "the check-sync has a body",
    ),
    rule_changed(
        "stale-contact",
        "sync.recipient",
        "previous",
        ("SYNC-10",),
        "a9ee1be6e2: a moved phone's NOTIFYs went to its old place",
        "after a move the NOTIFY goes to the old Contact",
    ),
    rule_changed(
        "sync-to-replaced-contacts-too",
        "sync.recipient",
        "all",
        ("SYNC-10",),
        "4.x: Kamailio forks to all contacts with invite_format contact",
        "older contacts get the NOTIFY as well",
    ),
    rule_changed(
        "sync-field-stored",
        "sync.updated",
        "stored",
        ("SYNC-11",),
        "3.20; 3.21 before 479f610429",
        "GET shows the sync of the last update",
    ),
    rule_changed(
        "sync-field-stored-on-create",
        "sync.created",
        "stored",
        ("SYNC-14",),
        "3.22, 5.0",
        "GET shows the sync of the PUT",
    ),
    rule_changed(
        "sync-truthy",
        "sync.truth",
        "truthy",
        ("SYNC-12",),
        'kz_term:is_true takes true and "true" only',
        "sync: 1 counts as true",
    ),
    rule_changed(
        "sync-word-ignored",
        "sync.truth",
        "true_only",
        ("SYNC-12",),
        'kz_term:is_true takes true and "true" only',
        'sync: "true" counts as false',
    ),
    rule_changed(
        "sync-on-rejected",
        "sync.on_rejected",
        "attempted",
        ("SYNC-13",),
        f"{_PAGE}: while updating a device",
        "a refused update reboots the phone",
    ),
    rule_changed(
        "patch-missing",
        "devices.patch",
        "absent",
        ("API-04", "SYNC-15"),
        "3.x",
        "PATCH is answered 405",
    ),
    rule_changed(
        "v1-sync-missing",
        "sync.path",
        ["v2"],
        ("SYNC-17",),
        "3.21 to 4.1",
        "POST /sync is not there on v1",
    ),
    rule_changed(
        "sync-after-flush",
        "sync.with_flush",
        "flush_first",
        ("SYNC-18",),
        "894ee99ec8, 0a3b63a97e: flush first, nobody left to notify",
        "new credentials and sync true: the registration is gone before the check-sync",
    ),
    rule_changed(
        "sync-to-new-username",
        "sync.aor",
        "new",
        ("SYNC-18",),
        "before a2a9770a91",
        "after a change of username the check-sync looks for the new, unregistered name",
    ),
)

_API = (
    rule_changed(
        "https-on-paper",
        "api.https",
        "plaintext",
        ("API-02", "CALL-06"),
        "Devices page, QuickCall: if you are using HTTPs",
        "the HTTPS port speaks plain HTTP",
    ),
    rule_changed("post-merges", "devices.post", "merge", ("API-03",), "A POST replaces", "left-out fields stay"),
    rule_changed("patch-replaces", "devices.patch", "replace", ("API-04",), "A PATCH merges", "left-out fields go"),
    rule_changed(
        "malformed-json-accepted",
        "api.malformed_json",
        "accepted",
        ("API-05",),
        "4.3: 400",
        "a body that is no JSON counts as none",
    ),
    rule_changed(
        "missing-data-accepted",
        "api.missing_data",
        "accepted",
        ("API-06",),
        "4.3: 400",
        "a body without data counts as none",
    ),
    rule_changed(
        "request-id-lost",
        "api.request_id",
        "own",
        ("API-09",),
        "4.3 echoes it",
        "replies carry a request id of the server's own",
    ),
    rule_changed(
        "invalid-document-accepted",
        "devices.validation",
        "accepted",
        ("API-10",),
        "4.3: 400 with the field and its rule",
        "a document that breaks the schema is stored",
    ),
    rule_changed(
        "duplicate-username-accepted",
        "devices.duplicate",
        "accepted",
        ("API-10",),
        "4.3: 400 sip.username unique",
        "two devices have the same SIP username",
    ),
    faulty(
        "unknown-key-looks-good",
        Fault(
            match=Match(kind=Kind.API, path="/api_auth", status=404),
            actions=(EditBody(body='{"data": {}, "status": "success", "auth_token": "none"}'),),
        ),
        ("API-11",),
        "4.3: 404 with an error envelope",
        "the 404 for an unknown API key says success and hands out a token",
    ),
    faulty(
        "status-empty",
        Fault(
            match=Match(kind=Kind.API, path="/devices/status"),
            actions=(EditBody(body='{"data": [], "status": "success"}'),),
        ),
        ("API-12",),
        "3.x: stale or partial answers over AMQP",
        "nobody is ever registered in /devices/status",
    ),
)

_SEC = (
    rule_changed(
        "no-token-accepted",
        "tokens.absent",
        "accepted",
        ("SEC-01", "SEC-07", "SEC-11"),
        "3.x and 4.3: quickcall GET",
        "a request without a token is served",
    ),
    rule_changed(
        "bad-token-accepted",
        "tokens.unknown",
        "accepted",
        ("SEC-02",),
        "4.3: quickcall GET",
        "any string is a token",
    ),
    rule_changed(
        "token-of-stranger-accepted",
        "tokens.stranger",
        "accepted",
        ("SEC-03", "SEC-07"),
        "4.3: quickcall GET",
        "the token of any account opens every account",
    ),
    rule_changed(
        "parent-refused",
        "tokens.ancestor",
        "account_only",
        ("SEC-04", "SEC-13"),
        "cb_simple_authz lets ancestors in",
        "a parent account's token opens the child account, but not its devices",
    ),
    rule_changed(
        "parents-token-opens-nothing",
        "tokens.ancestor",
        "nothing",
        ("SEC-04",),
        "cb_simple_authz lets ancestors in",
        "a token opens its own account alone, whatever is below it",
    ),
    rule_changed(
        "other-accounts-device",
        "devices.foreign",
        "accepted",
        ("SEC-05",),
        "4.3: 404",
        "under one's own account every device of the system can be reached",
    ),
    rule_changed(
        "header-injection",
        "registrar.line_breaks",
        "passed",
        ("SEC-06",),
        "4.3: a cid-name with CR and LF reaches Kamailio",
        "CR and LF from the API make header lines of their own",
    ),
)

_SIP = (
    rule_changed(
        "disabled-stays-registered",
        "devices.flush_on",
        ["password", "username", "deleted"],
        ("SIP-50",),
        "3.22: only a changed password or username flushes the registration",
        "a device that was disabled for a while is called as if nothing had been",
    ),
    rule_changed(
        "renamed-stays-registered",
        "devices.flush_on",
        ["password", "enabled", "deleted"],
        ("SIP-23",),
        "before a2a9770a91: the flush looks for the new name alone",
        "after a change of username the phone stays registered under the old one",
    ),
    faulty(
        "challenge-empty",
        Fault(
            match=Match(kind=Kind.RESPONSE, method="REGISTER", status=401),
            actions=(EditHeader(name="WWW-Authenticate"),),
        ),
        ("SIP-01",),
        "RFC 3261 21.4.2",
        "401 without a challenge",
    ),
    rule_changed(
        "wrong-password-accepted",
        "registrar.wrong_password",
        "accepted",
        ("SIP-02",),
        "4.3 and 5.0, for a source that is registered",
        "any password registers",
    ),
    rule_changed(
        "stale-unsaid",
        "registrar.stale",
        "unsaid",
        ("SIP-73",),
        "RFC 7616 3.3",
        "an old nonce is answered as if the password were wrong",
    ),
    faulty(
        "registration-not-listed",
        Fault(
            match=Match(kind=Kind.RESPONSE, method="REGISTER", status=200),
            actions=(EditHeader(name="Contact"),),
        ),
        ("SIP-03",),
        "RFC 3261 10.3 step 8",
        "the 200 does not list the contact",
    ),
    faulty(
        "options-unanswered",
        Fault(match=Match(kind=Kind.RESPONSE, method="OPTIONS"), actions=(Drop(),)),
        ("SIP-06",),
        "RFC 3261 11",
        "OPTIONS gets no answer",
    ),
)

MUTANTS = {
    mutant.name: mutant for mutant in (*_SYNC, *_API, *_SEC, *_SIP, *PRESENCE_MUTANTS, *CALL_MUTANTS, *KAZOO_MUTANTS)
}
"""All mutants by name."""
