"""Every way in which xnatsync can fail, as one tree.

Each class carries what a person and a program need: a stable code, an exit code, the disposition that tells the engine
what to do about it, and a piece of advice that names the command or the setting that resolves it.

XnatsyncError
├── ConfigError ............... XS-CONFIG               the configuration is wrong
│   ├── Usage ................. XS-USAGE                the command line is not understood
│   ├── Declined .............. XS-DECLINED             a step that needs a person's yes did not get it
│   ├── ListInvalid ........... XS-LIST-INVALID         a manifest or schedule given to `audit` is not usable
│   ├── RouteUnknown .......... XS-ROUTE-UNKNOWN        no such route, server or thing is configured
│   └── NothingFound .......... XS-NOTHING-FOUND        the ledger knows nothing by that name
├── AccessError
│   ├── CredentialsMissing .... XS-AUTH-MISSING         no password was configured for this server
│   ├── CredentialsRefused .... XS-AUTH-REFUSED         the server refused user and password
│   ├── LoginLost ............. XS-AUTH-LOST            the login ended in mid-run and could not be renewed
│   ├── AccessDenied .......... XS-ACCESS-DENIED        the account may not do this
│   └── TlsRefused ............ XS-TLS-REFUSED          the server's certificate could not be verified
├── ServerError
│   ├── ServerUnreachable ..... XS-SERVER-UNREACHABLE   no connection
│   ├── ServerUnwell .......... XS-SERVER-UNWELL        502, 503, 504, 429, or a proxy's page
│   ├── ServerBusy ............ XS-SERVER-BUSY          locked, or in the middle of processing this session
│   ├── ReadFailed ............ XS-READ-FAILED          a read was cut or failed; nothing changed
│   ├── OutcomeUnknown ........ XS-OUTCOME-UNKNOWN      a write got no usable answer: it may have happened
│   ├── ListingShort .......... XS-LISTING-SHORT        the server lists fewer files than it counts
│   ├── ReplyStrange .......... XS-REPLY-STRANGE        an answer that no XNAT gives
│   ├── JobFailed ............. XS-JOB-FAILED           a job on the server failed or was killed
│   ├── JobUnfinished ......... XS-JOB-UNFINISHED       a job on the server had not ended in the time given
│   ├── NotEnabled ............ XS-NOT-ENABLED          the server has what was to be run, and it is not switched on
│   ├── NotThere .............. XS-NOT-THERE            the server has no such thing, or hides it
│   ├── AlreadyThere .......... XS-ALREADY-THERE        the name that a new thing was to have is taken on the server
│   ├── NotEmpty .............. XS-NOT-EMPTY            more would be deleted with it than was named
│   ├── EffectMissing ......... XS-EFFECT-MISSING       the server said yes, and shows that it was not done
│   └── RequestRefused ........ XS-REQUEST-REFUSED      the server will never accept this request
│       └── NameRefused ....... XS-NAME-REFUSED         XNAT would not keep a file under its name
├── PeerError
│   ├── PeerUnreachable ....... XS-PEER-UNREACHABLE     no connection to a DICOM receiver
│   ├── PeerRejected .......... XS-PEER-REJECTED        a DICOM receiver takes no association from us
│   ├── PeerBusy .............. XS-PEER-BUSY            a DICOM receiver takes no association for now
│   ├── PeerLost .............. XS-PEER-LOST            an association with a DICOM receiver ended without an answer
│   └── PeerFull .............. XS-PEER-FULL            a DICOM receiver has no room for further objects
├── ServerMoved ............... XS-SERVER-MOVED         the server redirects to another address, which is never followed
├── ConnectionsTaken .......... XS-CONNECTIONS-TAKEN    all connections of our own were in use
├── DeliveryError
│   ├── LabelUnusable ......... XS-LABEL-UNUSABLE       the header yields no usable subject or session label
│   │   ├── NoRule ............ XS-NO-RULE              no rule of the route takes this study
│   │   ├── RuleHolds ......... XS-RULE-HOLDS           a rule of the route holds this study for a person
│   │   ├── TableMiss ......... XS-TABLE-MISS           a lookup table has no row for this study
│   │   └── TableUnusable ..... XS-TABLE-UNUSABLE       a lookup table that a rule asks was never usable
│   ├── SessionCollision ...... XS-SESSION-COLLISION    another study already has this session label
│   ├── PatientDiffers ........ XS-PATIENT-DIFFERS      it may be of another patient than what the subject has
│   ├── StudyElsewhere ........ XS-STUDY-ELSEWHERE      this study is already on the server under another label
│   ├── SessionTypeDiffers .... XS-SESSION-TYPE         a late part is of another type than the session of its study
│   ├── ObjectsBroken ......... XS-OBJECTS-BROKEN       a dropped DICOM file is truncated or has no identity
│   ├── ObjectsOdd ............ XS-OBJECTS-ODD          a dropped DICOM file is not as it should be
│   ├── FilesUnaccounted ...... XS-FILES-UNACCOUNTED    a dropped file is neither delivered nor known to be harmless
│   ├── ObjectsConflict ....... XS-OBJECTS-CONFLICT     two different objects claim one SOP Instance UID
│   ├── ForeignContent ........ XS-FOREIGN-CONTENT      the server holds other content where ours belongs
│   ├── NotOurs ............... XS-NOT-OURS             it was to be deleted, and is not certainly ours
│   ├── PrearchiveOccupied .... XS-PREARCHIVE-OCCUPIED  somebody else's upload of this study waits in the prearchive
│   ├── PrearchiveStuck ....... XS-PREARCHIVE-STUCK     the prearchive session is in CONFLICT or ERROR
│   ├── Misrouted ............. XS-MISROUTED            the upload came out in another project
│   ├── ObjectsMissing ........ XS-OBJECTS-MISSING      sent repeatedly, and the server still does not hold them
│   ├── ObjectsExtra .......... XS-OBJECTS-EXTRA        our upload contains objects we did not send
│   ├── ObjectsDiffer ......... XS-OBJECTS-DIFFER       what was fetched back is not what was sent
│   └── Unverifiable .......... XS-UNVERIFIABLE         the required level cannot be proven on this server
├── SourceError
│   ├── SourceChanged ......... XS-SOURCE-CHANGED       the item changed after it had settled
│   ├── SourceUnreadable ...... XS-SOURCE-UNREADABLE    a dropped file cannot be read
│   ├── NotComplete ........... XS-NOT-COMPLETE         a marker says for too long that a dropped item is not complete
│   ├── SourceGone ............ XS-SOURCE-GONE          a dropped item is gone before its end
│   ├── SourceDamaged ......... XS-SOURCE-DAMAGED       a dropped archive is damaged or dangerous
│   └── FolderMissing ......... XS-FOLDER-MISSING       the drop folder is not there (unmounted?)
├── MirrorError
│   ├── TreeEdited ............ XS-TREE-EDITED          a file of the tree was edited here
│   ├── TreeForeign ........... XS-TREE-FOREIGN         the tree holds another file where the server's belongs
│   ├── MirrorReplaced ........ XS-MIRROR-REPLACED      the server replaced a file, and `add` overwrites nothing
│   ├── MirrorGone ............ XS-MIRROR-GONE          the server no longer has a file that the tree keeps
│   ├── NoPlace ............... XS-NO-PLACE             a file lies where a push sends nothing from
│   ├── NotFollowed ........... XS-NOT-FOLLOWED         a link or a special file is in the tree of a push
│   ├── PushGone .............. XS-PUSH-GONE            somebody deleted on the server what a push had put there
│   ├── MaxDelete ............. XS-MAX-DELETE           more would be removed than `max_delete` allows
│   ├── NameHostile ........... XS-NAME-HOSTILE         the server holds a name that this tree cannot hold
│   ├── NameClash ............. XS-NAME-CLASH           two things of the server belong at one path of the tree
│   └── ContentDiffers ........ XS-CONTENT-DIFFERS      what came is not what the server lists
├── TransferError
│   ├── ChangedThere .......... XS-CHANGED-THERE        the destination holds something else where a transfer's belongs
│   ├── GoneThere ............. XS-GONE-THERE           what had been transferred was deleted at the destination
│   ├── LabelTaken ............ XS-LABEL-TAKEN          another thing has the label at the destination
│   ├── RenamedThere .......... XS-RENAMED-THERE        what was transferred has another label at one of both sides
│   ├── LostAtSource .......... XS-LOST-AT-SOURCE       the source lists it and cannot give it
│   ├── GoneAtSource .......... XS-GONE-AT-SOURCE       the source no longer has what was transferred
│   ├── PastAnonymisation ..... XS-PAST-ANONYMISATION   DICOM that a copy would take past the destination's script
│   ├── ChangedAtSource ....... XS-CHANGED-AT-SOURCE    the source changed an object after it was imported
│   ├── NotCarried ............ XS-NOT-CARRIED          it cannot travel, or the destination does not keep it
│   ├── FolderUnusable ........ XS-FOLDER-UNUSABLE      a folder that a project travels in is damaged, or not finished
│   └── TooManyFailures ....... XS-TOO-MANY-FAILURES    so many subjects in a row failed that the run was stopped
├── ClusterError
│   ├── ClusterUnreachable .... XS-CLUSTER-UNREACHABLE  no connection to the scheduler of a Dask cluster
│   ├── WorkersMissing ........ XS-WORKERS-MISSING      no worker of a Dask cluster can take anything
│   └── WorkerLost ............ XS-WORKER-LOST          a worker of a Dask cluster ended without an answer
├── DiskError
│   ├── DiskFull .............. XS-DISK-FULL            no space left on our disk
│   ├── PlaceTaken ............ XS-PLACE-TAKEN          something lies where a file was to be put: never overwritten
│   ├── LinkInOurWay .......... XS-LINK-IN-OUR-WAY      one of our own files or folders is a link: never followed
│   ├── DiskRefused ........... XS-DISK-REFUSED         our disk refuses to move, remove or write this one thing
│   └── DiskUnwell ............ XS-DISK-UNWELL          our disk is read-only or failing
├── LedgerError
│   ├── LedgerHeld ............ XS-LEDGER-HELD          another instance works with this ledger
│   ├── LedgerDamaged ......... XS-LEDGER-DAMAGED       the file is not an intact ledger
│   ├── LedgerMoved ........... XS-LEDGER-MOVED         the file was moved or replaced under a running process
│   ├── LedgerOpen ............ XS-LEDGER-OPEN          anybody may write to the ledger: nothing in it is evidence
│   ├── LedgerNewer ........... XS-LEDGER-NEWER         the ledger was written by a newer xnatsync
│   └── LedgerRemote .......... XS-LEDGER-REMOTE        the ledger lies on a network disk
├── AgentSilent ............... XS-AGENT-SILENT         the running agent did not answer a command in time
├── NotifyFailed .............. XS-NOTIFY-FAILED        a target took no notification
├── Stopped ................... XS-STOPPED              we were asked to stop; nothing was concluded
└── Bug ....................... XS-BUG                  our own mistake
    └── ImpossibleMove ........ XS-BUG-MOVE             a state machine was asked for an illegal move
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Disposition(Enum):
    """What the engine does about a failure."""

    RETRY = "transient: try again with backoff"
    PAUSE = "the whole server or disk is unwell: stop everything aimed at it, count no try"
    LOOK = "it may have happened: observe before anything else"
    REFUSED = "this content will never be accepted: again only if the content changes"
    PERSON = "someone must act"
    BUG = "we are wrong: stop this unit, keep the evidence"


class Exit:
    """The exit codes of every command."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    HELD = 3
    DIFFERENT = 4
    TEMPORARY = 5
    DENIED = 6
    HALTED = 7
    LOCKED = 8
    INTERRUPTED = 130
    TERMINATED = 143


class XnatsyncError(Exception):
    """The root: `str(error)` says in a sentence what happened, without patient data or secrets."""

    code: ClassVar[str] = "XS-ERROR"
    exit_code: ClassVar[int] = Exit.INTERNAL
    disposition: ClassVar[Disposition] = Disposition.BUG
    tries_max: ClassVar[int] = 12  # after so many passing failures in a row a person is asked
    advice: ClassVar[str] = "Please report this with the output of `xnatsync doctor`."

    def __init__(
        self, message: str, *, advice: str | None = None, http: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.lines: tuple[str, ...] = (message,)  # as it is printed: a line end in a name makes no line of it
        self.http = http
        self.retry_after_s = retry_after_s
        self.remedy = advice or self.advice
        self.effect = ""  # the outside write that failed so; "" when nothing was to be changed


# --- configuration -----------------------------------------------------------------------------------------------


class ConfigError(XnatsyncError):
    """The configuration is wrong."""

    code = "XS-CONFIG"
    exit_code = Exit.USAGE
    disposition = Disposition.PERSON
    advice = "Correct the configuration file; `xnatsync config check` lists every problem with its line."


class Usage(ConfigError):
    """The command line is not understood."""

    code = "XS-USAGE"
    advice = "`xnatsync --help` lists the commands, `xnatsync COMMAND --help` the options of one."


class Declined(ConfigError):
    """A step that needs a person's yes did not get it; nothing was changed."""

    code = "XS-DECLINED"
    advice = "Say yes at the question, or give `--yes` where there is no terminal."


class ListInvalid(ConfigError):
    """A manifest or a schedule given to `audit` is not usable; the message names file and line."""

    code = "XS-LIST-INVALID"
    advice = "Correct the file; `xnatsync audit --init FILE` writes one that is right."


class RouteUnknown(ConfigError):
    """No such route or server is configured."""

    code = "XS-ROUTE-UNKNOWN"
    advice = "`xnatsync config show` lists the routes and servers that are configured."


class NothingFound(ConfigError):
    """The ledger knows nothing by that name."""

    code = "XS-NOTHING-FOUND"
    advice = "`xnatsync status` and `xnatsync history` list what the ledger knows."


# --- access ------------------------------------------------------------------------------------------------------


class AccessError(XnatsyncError):
    """The account may not."""

    exit_code = Exit.DENIED
    disposition = Disposition.PERSON


class CredentialsMissing(AccessError):
    """No password was configured for this server."""

    code = "XS-AUTH-MISSING"
    advice = "Set XNATSYNC_<SERVER>_PASSWORD, `password_file` (mode 0600), or store it in the keyring."


class CredentialsRefused(AccessError):
    """The server refused user and password."""

    code = "XS-AUTH-REFUSED"
    advice = (
        "Correct the user or the password of this server. If they are right, the account may be locked or have too "
        "many sessions: an administrator can end them."
    )


class LoginLost(AccessError):
    """The login ended in mid-run and could not be renewed."""

    code = "XS-AUTH-LOST"
    exit_code = Exit.TEMPORARY
    disposition = Disposition.RETRY
    advice = (
        "Nothing to do now: the next run tries again. If it repeats, another program is ending this account's sessions."
    )


class AccessDenied(AccessError):
    """The account may not do this."""

    code = "XS-ACCESS-DENIED"
    advice = "Ask an owner of the project to make this account a member of it, with the right to do this."


class TlsRefused(AccessError):
    """The server's certificate could not be verified."""

    code = "XS-TLS-REFUSED"
    advice = (
        "Set `ca_file` of this server to the certificate authority that signed it, then check with `xnatsync doctor`."
    )


# --- the server --------------------------------------------------------------------------------------------------


class ServerError(XnatsyncError):
    """The server did not do what was asked."""

    exit_code = Exit.TEMPORARY
    disposition = Disposition.RETRY
    advice = "Nothing to do now: the next run tries again."


class ServerUnreachable(ServerError):
    """No connection to the server."""

    code = "XS-SERVER-UNREACHABLE"
    disposition = Disposition.PAUSE
    advice = "Check the network and the server's URL with `xnatsync doctor`. Nothing is lost: the next run tries again."


class ServerUnwell(ServerError):
    """The server, or the proxy before it, says that it cannot work now."""

    code = "XS-SERVER-UNWELL"
    disposition = Disposition.PAUSE
    advice = "Nothing to do now: the next run tries again. Nothing is lost until the server is well."


class ServerBusy(ServerError):
    """The server is locked on, or in the middle of processing, this session."""

    code = "XS-SERVER-BUSY"


class ReadFailed(ServerError):
    """A read was cut or failed; nothing changed on the server."""

    code = "XS-READ-FAILED"


class OutcomeUnknown(ServerError):
    """A write got no usable answer: it may or may not have happened."""

    code = "XS-OUTCOME-UNKNOWN"
    disposition = Disposition.LOOK
    advice = "Nothing to do now: the next run looks at the server before it sends anything again."


class ListingShort(ServerError):
    """The server lists fewer files of a resource than it counts; nothing is taken for gone."""

    code = "XS-LISTING-SHORT"
    advice = "Nothing to do now. If it stays, the server's catalog is out of date: its administrator can refresh it."


class ReplyStrange(ServerError):
    """An answer that no XNAT gives."""

    code = "XS-REPLY-STRANGE"
    advice = "Check with `xnatsync doctor` that the URL is that of an XNAT and that no proxy changes its answers."


class JobFailed(ServerError):
    """A job on the server failed, or was killed."""

    code = "XS-JOB-FAILED"
    exit_code = Exit.HELD
    disposition = Disposition.PERSON
    advice = "`xnatsync container logs ID` shows what its container wrote; the server's logs have the rest."


class JobUnfinished(ServerError):
    """A job on the server had not ended in the time given; it goes on."""

    code = "XS-JOB-UNFINISHED"
    advice = "It goes on: `xnatsync pipeline status JOB --watch` waits for its end."


class NotEnabled(ServerError):
    """The server has what was to be run, and it is not switched on there; nothing was launched."""

    code = "XS-NOT-ENABLED"
    exit_code = Exit.HELD
    disposition = Disposition.PERSON
    advice = "Ask an owner of the project, or an administrator of the site, to switch it on."


class NotThere(ServerError):
    """The server has no such thing, or hides it from this account."""

    code = "XS-NOT-THERE"
    exit_code = Exit.HELD
    disposition = Disposition.PERSON
    advice = "Check its name; create it on the server, or ask for access for this account."


class AlreadyThere(ServerError):
    """The name that a new thing was to have is taken on the server; nothing was changed."""

    code = "XS-ALREADY-THERE"
    exit_code = Exit.HELD
    disposition = Disposition.PERSON
    advice = "Name another, or use the one that is there."


class NotEmpty(ServerError, RuntimeError):
    """More would be deleted with it than was named; nothing was deleted."""

    code = "XS-NOT-EMPTY"
    exit_code = Exit.HELD
    disposition = Disposition.PERSON
    advice = "Move or delete first what is in it; `--force` deletes everything together."


class EffectMissing(ServerError):
    """The server answered as if it had been done, and shows that it was not."""

    code = "XS-EFFECT-MISSING"
    exit_code = Exit.HELD
    disposition = Disposition.PERSON
    advice = "Look at it on the server. If this account may change it there, report this with `xnatsync doctor`."


class RequestRefused(ServerError):
    """The server will never accept this request."""

    code = "XS-REQUEST-REFUSED"
    exit_code = Exit.HELD
    disposition = Disposition.REFUSED
    advice = "Read the server's words, and mend the data or the server's settings."


class NameRefused(RequestRefused):
    """XNAT would store a file under another name, elsewhere, or where nobody finds it: nothing of it was sent."""

    code = "XS-NAME-REFUSED"
    advice = "Rename the file or the folder named, or pack it in an archive."


class PeerError(XnatsyncError, RuntimeError):
    """A DICOM receiver is the problem."""

    exit_code = Exit.TEMPORARY
    disposition = Disposition.RETRY


class PeerUnreachable(PeerError):
    """There is no connection to a DICOM receiver."""

    code = "XS-PEER-UNREACHABLE"
    advice = "Check --host and --port, and whether a firewall is in between; then run the same command again."


class PeerRejected(PeerError):
    """A DICOM receiver takes no association from us."""

    code = "XS-PEER-REJECTED"
    exit_code = Exit.DENIED
    disposition = Disposition.PERSON
    advice = "Ask the receiver's administrator which AE titles and addresses it accepts."


class PeerBusy(PeerError):
    """A DICOM receiver takes no association for now."""

    code = "XS-PEER-BUSY"
    advice = "It has too much to do: run the same command again later, or with fewer --workers."


class PeerLost(PeerError):
    """An association with a DICOM receiver ended, or no answer came in time: what was sent last may have arrived."""

    code = "XS-PEER-LOST"
    disposition = Disposition.LOOK
    advice = "Run the same command again: what the receiver confirmed is not sent again."


class PeerFull(PeerError):
    """A DICOM receiver says that it has no room for further objects."""

    code = "XS-PEER-FULL"
    advice = "Inform the receiver's administrator, then run the same command again: it sends what was not confirmed."


class ServerMoved(XnatsyncError):
    """The server redirects to another address; nothing was sent there."""

    code = "XS-SERVER-MOVED"
    exit_code = Exit.USAGE
    disposition = Disposition.PERSON
    advice = "Set `url` of this server to the address where the XNAT is, then check with `xnatsync doctor`."


class ConnectionsTaken(XnatsyncError):
    """All of our own connections to the server were in use: a limit of ours, and nothing that the server did."""

    code = "XS-CONNECTIONS-TAKEN"
    exit_code = Exit.TEMPORARY
    disposition = Disposition.PAUSE
    advice = "Raise `connections` of this server in the configuration. Nothing is lost: the next run tries again."


# --- delivery ----------------------------------------------------------------------------------------------------


class DeliveryError(XnatsyncError):
    """A session cannot be delivered as it is: a person decides."""

    exit_code = Exit.HELD
    disposition = Disposition.PERSON


class LabelUnusable(DeliveryError):
    """The header yields no usable subject or session label."""

    code = "XS-LABEL-UNUSABLE"
    advice = "Correct the identifier at the scanner and export again, or change `subject`/`session` of the route."


class NoRule(LabelUnusable):
    """No rule of the route takes this study."""

    code = "XS-NO-RULE"
    advice = "Say where it belongs (`assign` with the project), or add a rule for it, or a `project` for all the rest."


class RuleHolds(LabelUnusable):
    """A rule of the route holds this study for a person."""

    code = "XS-RULE-HOLDS"
    advice = "Say where it belongs (`assign` with the project), or give it up."


class TableMiss(LabelUnusable):
    """A lookup table has no row for this study."""

    code = "XS-TABLE-MISS"
    advice = "Add or correct the row: a changed table releases it. Or say where it belongs (`assign` with the project)."


class TableUnusable(LabelUnusable):
    """A lookup table that a rule asks was never usable."""

    code = "XS-TABLE-UNUSABLE"
    advice = "Correct the table: a change of it releases everything that waits for it."


class SessionCollision(DeliveryError):
    """Another study already has this session label."""

    code = "XS-SESSION-COLLISION"
    advice = (
        "Give the two studies different labels: change the `session` template of the route, or set `collision = "
        '"suffix"`.'
    )


class PatientDiffers(DeliveryError):
    """A study may be of another patient than what was delivered under the label of its subject."""

    code = "XS-PATIENT-DIFFERS"
    advice = (
        "Compare the two at the scanner or in the hospital's system. Then say where it belongs (`assign` with the "
        "project, and another subject if it is of another patient)."
    )


class StudyElsewhere(DeliveryError):
    """This study is already on the server under another label."""

    code = "XS-STUDY-ELSEWHERE"
    advice = "Rename the session on the server, or change the template of the route so that both agree."


class SessionTypeDiffers(DeliveryError):
    """What came late is of another type than the session of its study, which the server refuses to merge."""

    code = "XS-SESSION-TYPE"
    advice = (
        "Ask the administrator of the server to switch `preventCrossModalityMerge` off, and release it then. "
        "Its files stay where they are."
    )


class ObjectsBroken(DeliveryError):
    """A dropped DICOM file is truncated, or has no identity: it was not delivered, so its item is not filed."""

    code = "XS-OBJECTS-BROKEN"
    advice = (
        "Export these objects again into the item. Or move them to another folder and keep them: the rest is "
        "delivered then. Or accept the item: they are not delivered, and nothing of them is removed."
    )


class ObjectsOdd(DeliveryError):
    """A dropped DICOM file is not as the standard wants it, and can be delivered as it is when a person says so."""

    code = "XS-OBJECTS-ODD"
    advice = (
        "Have them exported as the standard wants it. Or accept the item: they are delivered as they are; "
        '`odd = "deliver"` of the route does so with all of them.'
    )


class FilesUnaccounted(DeliveryError):
    """A file of the item is neither delivered, nor left out by a setting, nor known to be harmless."""

    code = "XS-FILES-UNACCOUNTED"
    advice = (
        "Mend these files, or move them to another folder and keep them: the item is then read again. Or "
        "accept the item: they are not delivered, and nothing of them is removed. "
        '`files = ["!PATTERN"]` of the route leaves such files out.'
    )


class ObjectsConflict(DeliveryError):
    """Two different objects claim one SOP Instance UID."""

    code = "XS-OBJECTS-CONFLICT"
    advice = "Move the wrong one to another folder and keep it; what remains settles again and is delivered."


class ForeignContent(DeliveryError):
    """The server holds other content where ours belongs, and it is not ours to replace."""

    code = "XS-FOREIGN-CONTENT"
    advice = "Compare the two, and keep a copy of both until you know which is right; then move the wrong one away."


class NotOurs(DeliveryError):
    """Something was to be deleted on a server that is not certainly ours; nothing was."""

    code = "XS-NOT-OURS"
    exit_code = Exit.HALTED
    advice = (
        "Dismiss the item without --prearchive. Look at what is there on the server, and delete it there only if "
        "its sender still has the files."
    )


class PrearchiveOccupied(DeliveryError):
    """Somebody else's upload of this study waits in the prearchive: sending now would mix the two."""

    code = "XS-PREARCHIVE-OCCUPIED"
    disposition = Disposition.RETRY  # mostly it is archived soon; a person is asked after an hour and a quarter
    tries_max = 5
    advice = "Archive that prearchive session on the server. Delete it only if its sender still has the files."


class PrearchiveStuck(DeliveryError):
    """The prearchive session is in CONFLICT or ERROR."""

    code = "XS-PREARCHIVE-STUCK"
    advice = (
        "Resolve it in the server's prearchive page. Or dismiss the item with the option --prearchive, and drop "
        "it again."
    )


class Misrouted(DeliveryError):
    """The upload came out in another project than the one asked for."""

    code = "XS-MISROUTED"
    advice = "Check that the project exists and that this account may edit it; delete the stray prearchive session."


class ObjectsMissing(DeliveryError):
    """Sent repeatedly, and the server still does not hold them."""

    code = "XS-OBJECTS-MISSING"
    advice = "Look for a series import filter or a rejecting anonymisation script on the server."


class ObjectsExtra(DeliveryError):
    """Our upload contains objects that we did not send."""

    code = "XS-OBJECTS-EXTRA"
    advice = "Someone sends the same study at the same time: when they have finished, archive it by hand on the server."


class ObjectsDiffer(DeliveryError):
    """What was fetched back is not what was sent."""

    code = "XS-OBJECTS-DIFFER"
    advice = "Do not delete the source. Let the server's administrator examine the objects named."


class Unverifiable(DeliveryError):
    """The required level cannot be proven on this server."""

    code = "XS-UNVERIFIABLE"
    advice = 'Choose a level that the server can prove: `verify = "pixels"` or `verify = "names"` in the route.'


# --- the source --------------------------------------------------------------------------------------------------


class SourceError(XnatsyncError):
    """The dropped item is the problem."""

    exit_code = Exit.HELD
    disposition = Disposition.RETRY


class SourceChanged(SourceError):
    """The item changed after it had settled: it is looked at anew."""

    code = "XS-SOURCE-CHANGED"
    advice = "Nothing to do now: the next run takes it when it has been quiet for the settle time."


class SourceUnreadable(SourceError):
    """A dropped file cannot be read."""

    code = "XS-SOURCE-UNREADABLE"
    advice = "Give this account the right to read the file named, or copy it again."


class NotComplete(SourceError):
    """A marker says for too long that a dropped item is not complete."""

    code = "XS-NOT-COMPLETE"
    disposition = Disposition.PERSON
    advice = (
        "Look at the device: has it ended? Set the marker right, and it goes on. Or accept the item: it is delivered "
        "as it is."
    )


class SourceGone(SourceError):
    """An item is gone before its end: it was taken away, or its disk is not mounted."""

    code = "XS-SOURCE-GONE"
    advice = "Put it back, or mount its disk: the next run goes on with it. If it is not to be delivered, dismiss it."


class SourceDamaged(SourceError):
    """A dropped archive is damaged or dangerous; nothing of it was sent."""

    code = "XS-SOURCE-DAMAGED"
    disposition = Disposition.REFUSED
    advice = (
        "Copy or export the archive again. Unpacked as it is, what is damaged in it would be missing from the folder."
    )


class FolderMissing(SourceError):
    """The drop folder is not there: perhaps its disk is not mounted."""

    code = "XS-FOLDER-MISSING"
    exit_code = Exit.HALTED
    disposition = Disposition.PAUSE
    advice = (
        "Mount its disk, or correct `folder`; if it never was there, make it. Nothing is concluded about what "
        "was in it."
    )


# --- mirrors and pushes ------------------------------------------------------------------------------------------


class MirrorError(XnatsyncError):
    """A tree and the server disagree: nothing is overwritten or removed until a person has decided."""

    exit_code = Exit.HELD
    disposition = Disposition.PERSON


class TreeEdited(MirrorError):
    """A file of the tree is not what was agreed: it was edited here, and is not overwritten."""

    code = "XS-TREE-EDITED"
    advice = (
        "Move your version to another folder: the server's comes with the next sync. Or put yours on the "
        "server: it is over when both agree."
    )


class TreeForeign(MirrorError):
    """The tree holds another file where one of the server's belongs, and we did not put it there."""

    code = "XS-TREE-FOREIGN"
    advice = "Move it to another folder, or rename it: the server's file comes with the next sync."


class MirrorReplaced(MirrorError):
    """The server replaced a file; a route with the policy `add` overwrites nothing."""

    code = "XS-MIRROR-REPLACED"
    advice = 'Move the old file away to have the new one, or set `policy = "replica"`: the trash keeps the old one.'


class MirrorGone(MirrorError):
    """The server no longer has a file; a route with the policy `add` keeps it, and only tells."""

    code = "XS-MIRROR-GONE"
    disposition = Disposition.RETRY
    advice = (
        'Nothing to do: it is kept. Move it away if it is not wanted, or set `policy = "replica"`: then it goes '
        "to the trash."
    )


class NoPlace(MirrorError):
    """A file in the tree of a push lies where the layout has no place for any: it is told, and nothing is sent."""

    code = "XS-NO-PLACE"
    disposition = Disposition.RETRY
    advice = "Move it to the other files of its session, below the folder of a resource; or leave it if it is to stay."


class NotFollowed(MirrorError):
    """A link or a special file lies where a push sends from: it is never followed or read, and nothing is sent."""

    code = "XS-NOT-FOLLOWED"
    advice = "Put a copy of what it leads to in its place, or move it out of the tree: then the next sync goes on."


class PushGone(MirrorError):
    """What a push put on the server was deleted there by somebody; it is not put back without being asked."""

    code = "XS-PUSH-GONE"
    advice = "If it is wanted there: `xnatsync verify --repair` sends it again. If not, move it out of the tree."


class MaxDelete(MirrorError):
    """One run would remove more than it may; nothing of the route was removed."""

    code = "XS-MAX-DELETE"
    exit_code = Exit.HALTED
    advice = (
        "See with `xnatsync plan` what would be removed. If it is right, raise `max_delete` of the route; "
        "if not, find out who removed it on the server."
    )


class NameHostile(MirrorError):
    """The server holds a name that cannot be written to this tree."""

    code = "XS-NAME-HOSTILE"
    advice = "Rename it on the server, or leave it out with the route's selection (`files = ['!pattern']`)."


class NameClash(MirrorError):
    """Two things of the server belong at one path of the tree, or at two that differ in case alone."""

    code = "XS-NAME-CLASH"
    advice = "Rename one of them on the server, or change `layout` of the route so that their paths differ."


class ContentDiffers(MirrorError):
    """What came is not what the server lists; it was thrown away."""

    code = "XS-CONTENT-DIFFERS"
    exit_code = Exit.TEMPORARY
    disposition = Disposition.RETRY
    advice = (
        "Nothing to do now: the next run fetches it again. If it repeats, the server's catalog is out of date or its "
        "disk is damaged: its administrator can refresh the catalog."
    )


# --- transfers -----------------------------------------------------------------------------------------------------


class TransferError(XnatsyncError):
    """Source and destination of a transfer disagree: nothing at the destination is overwritten."""

    exit_code = Exit.HELD
    disposition = Disposition.PERSON


class ChangedThere(TransferError):
    """The destination holds something else where a transfer's belongs: changed there, or never put there by us."""

    code = "XS-CHANGED-THERE"
    advice = (
        "Compare the two sides. Put the source's version there yourself, or change the source: it is over when both "
        "agree. Nothing that is there is ever overwritten."
    )


class GoneThere(TransferError):
    """What had been transferred was deleted at the destination; it is sent again only when that is asked for."""

    code = "XS-GONE-THERE"
    advice = (
        "If it is wanted there, run the transfer with `--repair`: then it is sent again. For a route of the "
        "configuration, put it there by hand: it is over when both sides agree."
    )


class LabelTaken(TransferError):
    """Another thing has the label at the destination, or the same study is there under another one."""

    code = "XS-LABEL-TAKEN"
    advice = "Rename or move the one that is there, or the one of the source. The others go on."


class RenamedThere(TransferError):
    """What was transferred has another label at one of both sides now: it is known by its ID, and not sent again."""

    code = "XS-RENAMED-THERE"
    disposition = Disposition.RETRY
    advice = "Nothing to do if that is meant; else give it the same label on both sides."


class LostAtSource(TransferError):
    """The source lists it and cannot give it: an outcome of its own, of which the rest is none the worse."""

    code = "XS-LOST-AT-SOURCE"
    disposition = Disposition.RETRY
    advice = "Ask the administrator of the source for its files. Each run asks once more."


class GoneAtSource(TransferError):
    """The source no longer has what was transferred; what is at the destination stays."""

    code = "XS-GONE-AT-SOURCE"
    disposition = Disposition.RETRY
    advice = "Nothing to do: it stays at the destination."


class NotCarried(TransferError):
    """It cannot travel, or the destination does not keep it as it was sent; it is named, and holds nothing up."""

    code = "XS-NOT-CARRIED"
    disposition = Disposition.RETRY
    advice = "See in the certificate what it is. A share is made once the other project is transferred as well."


class PastAnonymisation(TransferError):
    """DICOM is where no import takes it from, and a copy would pass by the anonymisation of the destination."""

    code = "XS-PAST-ANONYMISATION"
    advice = (
        "Leave it out with a filter of the transfer. Or move the objects into the scans of the session at the source, "
        "and they are imported."
    )


class ChangedAtSource(TransferError):
    """The source changed an object after it was imported; an import replaces nothing at the destination."""

    code = "XS-CHANGED-AT-SOURCE"
    advice = (
        "If the new version is wanted there, move the old object out of the session at the destination and keep it, "
        "and run the transfer with `--repair`: then it is sent again."
    )


class FolderUnusable(TransferError):
    """A folder that a project travels in is damaged, not finished, of a later version, or of another project."""

    code = "XS-FOLDER-UNUSABLE"
    exit_code = Exit.HALTED
    disposition = Disposition.PAUSE
    advice = (
        "Copy the folder again from where it was filled, or fill it again: the same command with `--to-folder` "
        "goes on with it."
    )


class TooManyFailures(TransferError):
    """So many subjects failed one after the other that the run was stopped."""

    code = "XS-TOO-MANY-FAILURES"
    exit_code = Exit.HALTED
    advice = (
        "See with `xnatsync status` what they failed with; when that is mended, run it again. `max_failures` says how "
        "many it takes."
    )


# --- workers on other machines -----------------------------------------------------------------------------------


class ClusterError(XnatsyncError):
    """Something is wrong with the Dask cluster of a transfer, and with neither of its servers."""

    exit_code = Exit.TEMPORARY
    disposition = Disposition.RETRY


class ClusterUnreachable(ClusterError):
    """The scheduler cannot be reached, or was lost in the middle: what its workers did last is looked at again."""

    code = "XS-CLUSTER-UNREACHABLE"
    advice = (
        "See that the scheduler runs and that --scheduler is its address. Then give the same command again: it looks "
        "at what the workers did, and goes on."
    )


class WorkersMissing(ClusterError):
    """No worker of the cluster can take anything: there is none, or each was refused for a reason that is named."""

    code = "XS-WORKERS-MISSING"
    advice = "Start workers with this version of xnatsync and the passwords of both servers; then run it again."


class WorkerLost(ClusterError):
    """A worker ended, or answered something that is no answer: what it did is looked at before it is done again."""

    code = "XS-WORKER-LOST"
    disposition = Disposition.LOOK
    advice = "Nothing is to be done. When it happens again and again, look at the memory and the log of the workers."


# --- our disk ----------------------------------------------------------------------------------------------------


class DiskError(XnatsyncError):
    """Our own disk is the problem."""

    exit_code = Exit.TEMPORARY
    disposition = Disposition.PAUSE
    of_ledger = False  # True: the disk of the ledger, without which nothing can be done


class DiskFull(DiskError):
    """No space is left on our disk."""

    code = "XS-DISK-FULL"
    advice = "Free some space. Nothing is lost: the next run goes on."


class PlaceTaken(DiskError):
    """Something lies where a file was to be put; nothing was overwritten."""

    code = "XS-PLACE-TAKEN"
    exit_code = Exit.HELD
    disposition = Disposition.RETRY
    advice = "Move away, or rename, what is at the place named; the next run looks at it again."


class LinkInOurWay(DiskError):
    """One of our own files or folders is a link, which is never followed: nothing was written or removed behind it."""

    code = "XS-LINK-IN-OUR-WAY"
    exit_code = Exit.HALTED
    advice = (
        "Remove the link. To keep the folder `.xnatsync` on a bigger disk, mount that disk at its place (a bind mount "
        "will do), or move the whole folder and name its new place in the configuration."
    )


class DiskRefused(DiskError):
    """Our disk refuses to move, remove or write one thing; everything else goes on."""

    code = "XS-DISK-REFUSED"
    exit_code = Exit.HELD
    disposition = Disposition.PERSON
    advice = "Look at the thing named and at the rights of its folder; the next sync tries again."


class DiskUnwell(DiskError):
    """Our disk is read-only or failing."""

    code = "XS-DISK-UNWELL"
    advice = "Check the disk and its permissions with `xnatsync doctor`. Nothing is lost: the next run goes on."


# --- the ledger --------------------------------------------------------------------------------------------------


class LedgerError(XnatsyncError):
    """The ledger is the problem: nothing is done without it."""

    exit_code = Exit.HALTED
    disposition = Disposition.PAUSE


class LedgerHeld(LedgerError):
    """Another instance works with this ledger."""

    code = "XS-LEDGER-HELD"
    exit_code = Exit.LOCKED
    advice = "Wait for the other instance, or stop it; `xnatsync status` works meanwhile."


class LedgerDamaged(LedgerError):
    """The file is not an intact ledger."""

    code = "XS-LEDGER-DAMAGED"
    disposition = Disposition.PERSON
    advice = "Keep the file, restore the newest backup beside it (docs/ledger.md); never delete it."


class LedgerMoved(LedgerError):
    """The file was moved, removed or replaced while a process works with it."""

    code = "XS-LEDGER-MOVED"
    disposition = Disposition.PERSON
    advice = "Put the file back with its `-wal` beside it while no xnatsync runs (docs/ledger.md), then run again."


class LedgerOpen(LedgerError):
    """Anybody may write to the ledger: nothing in it is evidence."""

    code = "XS-LEDGER-OPEN"
    exit_code = Exit.DENIED
    disposition = Disposition.PERSON
    advice = "Look at what it says, then take the right from others: `chmod 600` the file, `chmod 700` its folder."


class LedgerNewer(LedgerError):
    """The ledger was written by a newer xnatsync."""

    code = "XS-LEDGER-NEWER"
    exit_code = Exit.USAGE
    disposition = Disposition.PERSON
    advice = "Update xnatsync; an older one would misread this ledger."


class LedgerRemote(LedgerError):
    """The ledger lies on a network disk, where SQLite cannot keep its promises."""

    code = "XS-LEDGER-REMOTE"
    exit_code = Exit.USAGE
    disposition = Disposition.PERSON
    advice = "Set `[ledger] path` to a folder on a local disk."


class AgentSilent(XnatsyncError):
    """The running agent did not answer a command in time."""

    code = "XS-AGENT-SILENT"
    exit_code = Exit.TEMPORARY
    disposition = Disposition.PAUSE
    advice = "`xnatsync status` shows what the agent does; give the command again."


class NotifyFailed(XnatsyncError):
    """A target took no notification; it is sent again later."""

    code = "XS-NOTIFY-FAILED"
    exit_code = Exit.TEMPORARY
    disposition = Disposition.RETRY
    advice = "Check its address, and whether it can be reached from here: `xnatsync notify test`."


# --- a request to stop -------------------------------------------------------------------------------------------


class Stopped(XnatsyncError):
    """We were asked to stop in the middle of reading; nothing was concluded and nothing changed."""

    code = "XS-STOPPED"
    exit_code = Exit.INTERRUPTED
    disposition = Disposition.RETRY
    advice = "Nothing to do: the next run goes on."


# --- ourselves ---------------------------------------------------------------------------------------------------


class Bug(XnatsyncError):
    """Our own mistake: the unit is stopped and the evidence kept."""

    code = "XS-BUG"


class ImpossibleMove(Bug):
    """A state machine was asked for an illegal move."""

    code = "XS-BUG-MOVE"


# Codes of holds that a person may end with `accept`: what is not accounted for is let be.
ACCEPTABLE = frozenset(kind.code for kind in (ObjectsBroken, ObjectsOdd, FilesUnaccounted, NotComplete))

# Codes of holds that a person may end with `assign`: what lies in the labels of a study.
ASSIGNABLE = frozenset(
    kind.code for kind in (LabelUnusable, NoRule, RuleHolds, TableMiss, TableUnusable, SessionCollision, PatientDiffers)
)
