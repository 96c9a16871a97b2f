#!/usr/bin/env python3
"""Verifies an audit trail as docs/adr/0011-audit-trail.md describes it, with none of steeple's own code.

Trusted are: Python's `hashlib` and `json` (each line is put into canonical form again here and compared byte by byte),
the `openssl` command (3.0 or later) for Ed25519, and the key. Give the key with --key or --key-file, from a place that
the trail's writer can't reach; without it the folder's own key.pub is believed, which proves only that the files fit
each other. A checkpoint that was kept elsewhere (--checkpoint) also shows that the folder is not an older copy.
With --from and --to, records are verified from the last checkpoint before the range to the first one after it; lines
before are only counted. Where the first records are gone, the last of the trail's own tombstones has to tell of it,
unless the folder is an excerpt (--excerpt). Memory does not grow with the records, only by about a kilobyte for each checkpoint.
Exit codes: 0 in order, 1 something is wrong (one line on stderr says what), 2 wrong usage or no usable openssl.
"""
import argparse, base64, collections, functools, gzip, hashlib, json, os, pathlib, re, subprocess, sys, tempfile, zlib

MAX_LINE = 1 << 20  # bytes, line feed included
OWN_KEY = "the key is the folder's own: who can rewrite the folder can replace it; give --key"
SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")  # DER before the 32 bytes of the key (RFC 8410, section 4)
KEY = r"(steeple-audit/([^\s+/]+)/([0-9a-f]{32}))\+([0-9a-f]{8})\+(\S+)"  # name with trust domain and chain, hash, key
TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
CHECKPOINT = rf"(.+)\n(0|[1-9]\d{{0,15}})\n(\S+)\nhead ([0-9a-f]{{64}})\nfrontier (.*)\ntime ({TIME})\n"
Key = collections.namedtuple("Key", "name hash public domain chain")
Checkpoint = collections.namedtuple("Checkpoint", "size root frontier head time")
class Fault(Exception): """What is wrong with a trail or a proof."""
class Unusable(Exception): """Why nothing can be verified: wrong usage, or no openssl."""

def need(holds, otherwise):
    if not holds:
        raise Fault(otherwise)
def within(place, act, *arguments):
    """Does something, and says where it was when something is wrong."""
    try:
        return act(*arguments)
    except Fault as fault:
        raise Fault(f"{place}: {fault}") from None

def unbase64(text):
    """The bytes of base64 in its one proper form."""
    form = re.fullmatch("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", text)
    data = base64.b64decode(text) if form else b""
    need(data and base64.b64encode(data).decode() == text, f"{text[:100]!r} is not base64")
    return data

# JSON and its canonical form (RFC 8785, without fractions)
def parse(text):
    """The value of a JSON text; ValueError for doubled members, fractions, and what is no JSON."""
    def members(pairs):
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a member is there twice")
        return dict(pairs)
    def refuse(number):
        raise ValueError(f"{number} is no whole number")
    return json.loads(text, object_pairs_hook=members, parse_float=refuse, parse_constant=refuse)

def canonical(value):
    """The canonical form as text; ValueError for a value that has none."""
    if value is None or isinstance(value, (int, str)):  # so are true and false
        if isinstance(value, int) and abs(value) > 1 << 53:
            raise ValueError("a number is not within ±2^53")
        return json.dumps(value, ensure_ascii=False)  # which escapes as the standard wants it
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    # Big-endian bytes have the order of the code units; like UTF-8 later on, the encoding refuses lone surrogates.
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"

# Merkle tree (RFC 6962, section 2.1); a frontier holds the roots of the complete subtrees, the largest first
def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def push(frontier, size, node):
    """Adds a leaf to the frontier of a tree of `size` leaves."""
    while size & 1:
        node, size = sha256(b"\1", frontier.pop(), node), size >> 1
    frontier.append(node)

def root_of(frontier):
    join = lambda right, left: sha256(b"\1", left, right)
    return functools.reduce(join, reversed(frontier)) if frontier else sha256(b"")

def root_of_path(index, size, node, path):
    """The root to which an inclusion proof leads (RFC 9162, section 2.1.3.2, but from the root down), or None."""
    if size < 2 or not path:
        return node if (index, size, len(path)) == (0, 1, 0) else None
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        node = root_of_path(index, half, node, path[:-1])
        return node and sha256(b"\1", node, path[-1])
    node = root_of_path(index - half, size - half, node, path[:-1])
    return node and sha256(b"\1", path[-1], node)

# Keys, signed notes and checkpoints (C2SP signed-note, tlog-checkpoint)
def read_key(text):
    form = re.fullmatch(KEY, text.strip())
    need(form, "not of the form steeple-audit/<trust domain>/<chain_uid>+<hash>+<base64>")
    data = unbase64(form[5])
    need(len(data) == 33 and data[0] == 1, "not an Ed25519 key")
    key = Key(form[1], sha256(form[1].encode() + b"\n" + data)[:4], data[1:], form[2], form[3])
    need(key.hash.hex() == form[4], "the hash is not that of name and key")
    return key

def is_signed(key, text, signature):
    """Asks openssl whether the key has signed the text."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("key", "text", "signature")]
        for path, data in zip(paths, (SPKI_ED25519 + key.public, text, signature)):
            pathlib.Path(path).write_bytes(data)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths[0], "-rawin"]
        try:
            run = subprocess.run([*command, "-in", paths[1], "-sigfile", paths[2]], capture_output=True, text=True)
        except OSError as error:
            raise Unusable(f"openssl can't be run: {error}") from None
    if run.returncode != 0 and "Verification Failure" not in run.stdout:
        raise Unusable(f"openssl can't verify Ed25519: {run.stderr.strip()[:300]}")
    return run.returncode == 0

def open_note(note, key):
    """The text of a note (bytes) that the key has signed."""
    form = re.fullmatch(r"(.+\n)\n((?:\u2014 \S+ \S+\n)+)", note.decode(errors="replace"), re.DOTALL)
    need(form and not re.search(r"[\x00-\x09\x0b-\x1f\ufffd]", form[0]), "no note: a text, an empty line, signatures")
    is_ours = False
    for _, name, data in (line.split(" ") for line in form[2][:-1].split("\n")):
        data = unbase64(data)
        if name == key.name and data[:4] == key.hash:
            is_ours = len(data) == 68 and is_signed(key, form[1].encode(), data[4:])
            need(is_ours, f"the signature is not one of {key.name} over this text")
    need(is_ours, f"the note is not signed by {key.name}+{key.hash.hex()}")
    return form[1]

def read_checkpoint(note, key):
    form = re.fullmatch(CHECKPOINT, open_note(note, key), re.ASCII)
    need(form, "the signed text is not that of a checkpoint")
    need(form[1] == key.name, f"it is of {form[1]}, not of this trail")
    size, root, nodes = int(form[2]), unbase64(form[3]), form[5].split(" ") if form[5] else []
    frontier = tuple(map(unbase64, nodes))
    need(list(map(len, frontier)) == [32] * bin(size).count("1"), "the frontier is not one of a tree of that size")
    need(root == root_of(frontier), "the root is not that of the frontier")
    return Checkpoint(size, root, frontier, form[4], form[6])

def read_checkpoints(path, key):
    """The checkpoints of a file, and how many bytes at its end are no whole note."""
    parts = pathlib.Path(path).read_bytes().split(b"\n\n") if os.path.exists(path) else []  # text, signatures, …
    if len(parts) % 2 == 0 and parts and parts[-1].endswith(b"\n"):  # the last note has no empty line after it
        parts[-1:] = [parts[-1][:-1], b""]
    checkpoints, whole = [], (len(parts) - 1) // 2
    for number in range(whole):
        note = b"%b\n\n%b\n" % tuple(parts[2 * number:2 * number + 2])
        checkpoints.append(within(f"checkpoint {number + 1}", read_checkpoint, note, key))
        before, size = (mark.size for mark in (checkpoints[max(number - 1, 0)], checkpoints[-1]))
        need(size >= before, f"checkpoint {number + 1}: covers {size} records, fewer than the one before")
    return checkpoints, len(b"\n\n".join(parts[2 * max(whole, 0):]))

# Records
def fingerprint(digest):
    """As text: to Python, the values true and 1 are equal."""
    return canonical({"algorithm_id": 3, "encoding_id": 1, "serialization_id": 2, "value": digest})

def check_record(line, key, sequence, head=None):
    """The fingerprint of record `sequence` in a line (bytes, no line feed); `head` is that of the one before."""
    try:
        event = parse(line.decode())
        if canonical(event).encode() != line:
            raise ValueError("the form differs")
    except (ValueError, RecursionError) as error:
        raise Fault(f"the line is not JSON in canonical form: {error}") from None
    here, before = f"{key.chain}-{sequence}", f"{key.chain}-{sequence - 1}"
    try:
        metadata, (attestation,) = event["metadata"], event["attestation_list"]
        told, chain, authority = attestation.pop("fingerprint"), attestation["chain_uid"], attestation["authority_uid"]
        number, uid, is_linked = metadata["sequence"], metadata.get("uid", here), "prev_event" in attestation
        link = canonical(attestation["prev_event"]["fingerprint"]) if is_linked else None
        link_uid = attestation["prev_event"].get("uid", before) if is_linked else before
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Fault("metadata or attestation_list lack what ties the record to its chain") from None
    digest = sha256(canonical(event).encode()).hex()
    need(canonical(told) == fingerprint(digest), "the record was changed: its fingerprint is another content's")
    need(chain == key.chain, f"chain_uid is {chain!r}, not {key.chain}")
    need(type(number) is int and number == sequence, f"metadata.sequence is {number!r}, where {sequence} is next")
    need(uid == here, f"metadata.uid is {uid!r}, not {here}")
    need(str(authority).startswith(f"spiffe://{key.domain}/"), f"authority_uid is {authority!r}, of another domain")
    need(is_linked == (sequence > 0), "prev_event has to be absent in record 0 and nowhere else")
    need(head is None or link == fingerprint(head), "prev_event is not the record before")
    need(link_uid == before, f"prev_event.uid is {link_uid!r}, not {before}")
    return digest

# Trails and proofs
def segments(folder):
    """Pairs (number of the first record, path), in order; one that is there plain and compressed is the plain one."""
    found = {}
    for name in sorted(os.listdir(folder), reverse=True):  # plain after compressed
        if name.endswith((".jsonl", ".jsonl.gz")):
            path, form = os.path.join(folder, name), re.fullmatch(r"(\d{20})\.jsonl(?:\.gz)?", name, re.ASCII)
            need(form, f"{path}: is named like a segment, but not after the number of its first record")
            found[int(form[1])] = path
    return sorted(found.items())

def read_lines(files):
    """Yields (place, line) for all records, then (file, bytes) if the last file ends with bytes that are no record."""
    count = files[0][0] if files else 0
    for first, path in files:
        number = 0
        need(first == count, f"{path}: begins with another record, by its name, than {count}, the next")
        with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
            try:
                while line := file.readline(MAX_LINE):
                    number += 1
                    if line.endswith(b"\n"):
                        yield f"{path}:{number}", line[:-1]
                        count += 1
                        continue
                    torn = len(line)
                    while line := file.readline(MAX_LINE):
                        torn += len(line)
                        need(not line.endswith(b"\n"), f"{path}:{number}: the line is longer than 1 MiB")
                    need(path == files[-1][1], f"{path}:{number}: ends within a line, though another segment follows")
                    yield path, torn
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise Fault(f"{path}: is not what was compressed: {error}") from None

def find_tombstone(files, pruned, ahead):
    """The number of the first record that tells that all before `pruned` is gone and that none takes back; the record
    itself is yet to be verified."""
    told, number = {}, files[0][0]
    for _, line in read_lines(files):
        if not isinstance(line, int) and b"trail_pruned" in line:
            try:
                event = parse(line.decode())
                metadata, correlation = event["metadata"], event["metadata"]["correlation_uid"]
                if metadata["event_code"] == "trail_pruned" and event["status_id"] != 1:
                    told.pop(correlation, None)
                elif metadata["event_code"] == "trail_pruned":
                    data = event["entity"]["data"]
                    until, count = int(data["last_record"]) + 1, int(data["records"])
                    if until >= pruned and until - int(data["first_record"]) == count > 0 and until <= number:
                        told.setdefault(correlation, (number, until, unbase64(data["root"]), data["head"]))
            except (KeyError, TypeError, ValueError, RecursionError):
                pass  # what is no record is found later on
        number += 1
    missing = f"the records before {pruned} are missing, and no tombstone that a checkpoint covers tells of it"
    need(told, missing)
    number, until, root, head = min(told.values())
    mark = next((mark for mark in ahead if mark.size == until), None)
    need(mark and (mark.root, mark.head) == (root, head), f"the tombstone in record {number} is of other records")
    need(number < max(mark.size for mark in ahead), missing)
    return number

def verify_trail(folder, key, given, first, last, is_excerpt=False):
    """One line that says what is in order; `given` are checkpoints that were kept elsewhere."""
    # Checkpoints before records: what is written meanwhile has no checkpoint then, instead of no records.
    ahead, torn_note = read_checkpoints(os.path.join(folder, "checkpoints"), key)
    ahead = sorted([*ahead, *given], key=lambda mark: mark.size)
    for one, other in zip(ahead, ahead[1:]):
        need(one.size != other.size or one[:4] == other[:4], f"two checkpoints over {one.size} records differ")
    files, start, until = segments(folder), Checkpoint(0, root_of([]), (), None, None), float("inf")
    pruned = files[0][0] if files else 0
    if pruned:
        need(first == 0 or first >= pruned, f"there is no record {first} in the trail")
        for mark in given:
            is_known = mark.size >= pruned or sum(one[:4] == mark[:4] for one in ahead) > 1
            need(is_known, "the checkpoint that was kept covers none but pruned records, and is not one of the trail's")
        first, tombstone = max(first, pruned), None
        if not is_excerpt:
            tombstone = find_tombstone(files, pruned, ahead)  # which is verified, whatever range is asked for
            first, last = min(first, tombstone), None if last is None else max(last, tombstone)
        ahead = [mark for mark in ahead if mark.size >= pruned]
        given = [mark for mark in given if mark.size >= pruned]
    if last is not None:  # as far as the next checkpoint, and the one that was kept
        until = min((mark.size for mark in ahead if mark.size > last), default=until)
        until = max([until, *(mark.size for mark in given)])
    # The walk begins at the checkpoint that was kept at the latest, so that all later ones are compared with it.
    while first > 0 and ahead and ahead[0].size <= min([first, *(mark.size for mark in given)]):
        start = ahead.pop(0)
    need(start.size >= pruned, f"no checkpoint covers just the {pruned} records that are gone")
    frontier, head, count, compared, covered, torn = list(start.frontier), start.head, pruned, 0, start.size, 0
    for place, line in read_lines(files):
        if isinstance(line, int):
            torn = line  # nothing comes after it
            break
        if count >= start.size:
            head = within(place, check_record, line, key, count, head if count else None)
            push(frontier, count, sha256(b"\0", line))
        count += 1
        while ahead and ahead[0].size <= count:
            mark = ahead.pop(0)
            is_equal = mark[:4] == (count, root_of(frontier), tuple(frontier), head) or mark.size == 0
            need(is_equal, f"the first {count} records are not those of the checkpoint over them of {mark.time}")
            compared, covered = compared + 1, mark.size
        if count >= until:
            break
    needed = max([start, *ahead], key=lambda mark: mark.size)
    wrong = f"the trail ends after {count} records, but a checkpoint covers {needed.size}, of {needed.time}"
    need(count >= min(until, needed.size), wrong)
    need(first in range(count) or first == 0, f"there is no record {first} in the trail")
    need(last is None or last < count, f"there is no record {last} in the trail")
    what = f"{count} records" if (start.size, last) == (0, None) else f"records {start.size} to {count - 1}"
    answer = f"in order: {what}, {compared} checkpoints, {count - covered} records not covered by a checkpoint yet"
    answer += f", {pruned} records before are gone, as record {tombstone} tells" if pruned and not is_excerpt else ""
    answer += f" ({torn} bytes at the end are no record)" if torn else ""
    return answer + (f" ({torn_note} bytes at the end of checkpoints are no checkpoint)" if torn_note else "")

def verify_proof(text, key):
    """One line that says which record is in which tree."""
    try:
        proof = parse(text.decode())
        record, index, note = proof["record"].encode(), proof["index"], proof["checkpoint"].encode()
        path = [unbase64(node) for node in proof["path"]]
        need(type(index) is int and index >= 0 and all(len(node) == 32 for node in path), "index or path are none")
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise Fault("not JSON with the members of a proof") from None
    checkpoint = read_checkpoint(note, key)
    check_record(record, key, index)
    root = root_of_path(index, checkpoint.size, sha256(b"\0", record), path)
    need(root == checkpoint.root, "the record is not in the tree of the checkpoint")
    return f"in order: record {index} is one of the {checkpoint.size} records of the checkpoint of {checkpoint.time}"

# Command line
def run(args):
    """The lines that say what is in order."""
    own = not (args.key or args.key_file)
    path = os.path.join(args.folder, "key.pub") if own else args.key_file
    try:
        text = args.key or pathlib.Path(path).read_bytes().decode(errors="replace")
        note = args.checkpoint and pathlib.Path(args.checkpoint).read_bytes().rstrip(b"\n") + b"\n"
        proof = args.proof and pathlib.Path(args.proof).read_bytes()
        key = within(path or "--key", read_key, text)
    except (OSError, Fault) as error:
        raise error if own and isinstance(error, Fault) else Unusable(error) from None
    if args.proof:
        return [within(args.proof, verify_proof, proof, key)]
    given = [within(args.checkpoint, read_checkpoint, note, key)] if args.checkpoint else []
    return [verify_trail(args.folder, key, given, args.first, args.last, args.excerpt), *([OWN_KEY] if own else [])]

def main(arguments=None):
    parser = argparse.ArgumentParser(description="Verifies an audit trail, or the proof of one record.")
    number = lambda text: int(re.fullmatch("[0-9]{1,16}", text)[0])
    parser.add_argument("folder", nargs="?")
    for name in ("--proof", "--key", "--key-file", "--checkpoint"):
        parser.add_argument(name)
    parser.add_argument("--from", dest="first", type=number, default=0, metavar="N")
    parser.add_argument("--to", dest="last", type=number, metavar="N")
    parser.add_argument("--excerpt", action="store_true", help="the folder was exported: earlier records are not in it")
    args = parser.parse_args(arguments)
    if (args.folder is None) == (args.proof is None) or (args.key and args.key_file):
        parser.error("give a folder or --proof, and --key or --key-file")
    if args.folder and not os.path.isdir(args.folder) or args.last is not None and args.first > args.last:
        parser.error("the folder is none, or --from is after --to")
    if args.proof and (args.checkpoint or args.first or args.last is not None or not (args.key or args.key_file)):
        parser.error("--proof wants a key and nothing else")
    try:
        print(*run(args), sep="\n")
    except (Fault, OSError, Unusable) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, Unusable) else 1
    return 0

if __name__ == "__main__":
    sys.exit(main())
