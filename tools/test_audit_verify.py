"""Tests of audit_verify.py on trails that this file writes by other means: trees by definition, openssl."""
import base64, contextlib, hashlib, io, json, os, subprocess, sys, tempfile, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import audit_verify

CHAIN, OTHER_CHAIN = "0f" * 16, "f0" * 16
SEGMENT, EVERY = 5, 3  # records in a segment, and from checkpoint to checkpoint


def sha256(data):
    return hashlib.sha256(data).digest()


def b64(data):
    return base64.b64encode(data).decode()


def form(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def split(leaves):
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return leaves[:half], leaves[half:]


def root(leaves):
    if len(leaves) < 2:
        return sha256(b"\0" + leaves[0]) if leaves else sha256(b"")
    left, right = split(leaves)
    return sha256(b"\1" + root(left) + root(right))


def path(index, leaves):
    if len(leaves) == 1:
        return []
    left, right = split(leaves)
    inside = index < len(left)
    return [*(path(index, left) if inside else path(index - len(left), right)), root(right if inside else left)]


def frontier(leaves):
    roots, at = [], 0
    for bit in reversed(range(64)):
        if len(leaves) >> bit & 1:
            roots.append(root(leaves[at:at + (1 << bit)]))
            at += 1 << bit
    return roots


class Signer:
    """A key of openssl's."""

    def __init__(self, folder):
        self.pem, self.text, self.signature = (os.path.join(folder, name) for name in ("pem", "text", "signature"))
        self.call("genpkey", "-algorithm", "ed25519", "-out", self.pem)
        self.public = self.call("pkey", "-in", self.pem, "-pubout", "-outform", "DER")[-32:]

    def call(self, *arguments):
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout

    def verifier(self, name):
        return f"{name}+{self.hash(name).hex()}+{b64(bytes([1]) + self.public)}"

    def hash(self, name):
        return sha256(name.encode() + bytes([10, 1]) + self.public)[:4]

    def note(self, name, text):
        with open(self.text, "w", encoding="utf-8") as file:
            file.write(text)
        self.call("pkeyutl", "-sign", "-inkey", self.pem, "-rawin", "-in", self.text, "-out", self.signature)
        with open(self.signature, "rb") as file:
            return f"{text}\n\u2014 {name} {b64(self.hash(name) + file.read())}\n"


def record(chain, sequence, before, what):
    """The line of a record and its fingerprint, as an object."""
    attestation = {"authority_uid": "spiffe://example.org/spire/server", "chain_uid": chain}
    if before:
        attestation["prev_event"] = {"fingerprint": before, "uid": f"{chain}-{sequence - 1}"}
    event = {
        "attestation_list": [attestation],
        "metadata": {"sequence": sequence, "uid": f"{chain}-{sequence}"},
        "status_detail": f"{what} \"{sequence}\" \\ \u00e9\u20ac\U0001f600\x1f\n",
        "time": 1_800_000_000_000 + sequence,
        "unmapped": {"deep": [None, True, -5]},
    }
    mark = {"algorithm_id": 3, "encoding_id": 1, "serialization_id": 2, "value": sha256(form(event)).hex()}
    attestation["fingerprint"] = mark
    return form(event), mark


def make(signer, chain=CHAIN, what="level", count=20):
    """The lines of a trail and its checkpoints."""
    name, lines, notes, mark = f"steeple-audit/example.org/{chain}", [], [], None
    for sequence in range(count):
        line, mark = record(chain, sequence, mark, what)
        lines.append(line)
        if sequence % EVERY == EVERY - 1:
            notes.append(signer.note(name, checkpoint_text(name, lines, mark["value"])))
    return lines, notes


def checkpoint_text(name, lines, head):
    nodes = " ".join(map(b64, frontier(lines)))
    return f"{name}\n{len(lines)}\n{b64(root(lines))}\nhead {head}\nfrontier {nodes}\ntime 2026-01-02T03:04:05.678Z\n"


class AuditVerify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        keys = tempfile.TemporaryDirectory()
        cls.addClassCleanup(keys.cleanup)
        cls.signer = Signer(keys.name)
        cls.name = f"steeple-audit/example.org/{CHAIN}"
        cls.key = cls.signer.verifier(cls.name)
        cls.made = make(cls.signer)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.elsewhere = os.path.join(folder.name, "audit"), folder.name
        os.mkdir(self.folder)
        self.lines, self.notes = (list(part) for part in self.made)
        self.put("key.pub", f"{self.key}\n")
        self.write()

    def put(self, name, content, folder=None):
        file_path = os.path.join(folder or self.folder, name)
        with open(file_path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return file_path

    def write(self):
        """Writes lines and notes; a line keeps its segment, None is a line that is gone."""
        for first in range(0, len(self.lines), SEGMENT):
            lines = [line + b"\n" for line in self.lines[first:first + SEGMENT] if line is not None]
            self.put(f"{first:020}.jsonl", b"".join(lines))
        self.put("checkpoints", "".join(f"{note}\n" for note in self.notes))

    def segment(self, first):
        return os.path.join(self.folder, f"{first:020}.jsonl")

    def kept(self, number=-1):
        return self.put("kept", self.made[1][number], self.elsewhere)

    def call(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = audit_verify.main(list(arguments))
            except SystemExit as end:
                code = end.code
        return code, out.getvalue(), err.getvalue()

    def assert_in_order(self, text, *arguments):
        self.assertEqual(self.call(*(arguments or (self.folder, "--key", self.key))), (0, text + "\n", ""))

    def assert_finds(self, text, *arguments):
        code, out, err = self.call(*(arguments or (self.folder, "--key", self.key)))
        self.assertEqual((code, out, err.count("\n")), (1, "", 1), err)
        self.assertIn(text, err)

    def test_untouched_trail_is_in_order(self):
        whole = "in order: 20 records, 6 checkpoints, 2 records not covered by a checkpoint yet"
        self.assert_in_order(whole)
        self.assert_in_order(f"{whole}\n{audit_verify.OWN_KEY}", self.folder)
        key_file = os.path.join(self.folder, "key.pub")
        self.assert_in_order(whole.replace("6", "7"), self.folder, "--key-file", key_file, "--checkpoint", self.kept())

    def test_program_runs_by_itself(self):
        run = subprocess.run([sys.executable, audit_verify.__file__, self.folder], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stdout.count("\n"), run.stderr), (0, 2, ""))

    def test_every_edited_character_of_a_line_is_found(self):
        line = self.lines[19]  # which no checkpoint covers
        for at in range(len(line)):
            changed = line[:at] + bytes([line[at] ^ 1]) + line[at + 1:]
            with self.assertRaises(audit_verify.Fault, msg=changed):
                audit_verify.check_record(changed, audit_verify.read_key(self.key), 19)
        self.lines[7] = self.lines[7].replace(b"level", b"revel")
        self.write()
        self.assert_finds(f"{self.segment(5)}:3: the record was changed")

    def test_true_is_not_one(self):
        self.lines[19] = self.lines[19].replace(b'"encoding_id":1,"serialization_id":2,"value":"' + self.mark(19),
                                                b'"encoding_id":true,"serialization_id":2,"value":"' + self.mark(19))
        self.assertNotEqual(self.lines[19], self.made[0][19])
        self.write()
        self.assert_finds(":5: the record was changed")

    def mark(self, sequence):
        return json.loads(self.made[0][sequence])["attestation_list"][0]["fingerprint"]["value"].encode()

    def test_deleted_line_is_found_wherever_it_was(self):
        for at in range(18):
            self.lines[at] = None
            self.write()
            self.assertEqual(self.call(self.folder)[0], 1, at)
            self.lines[at] = self.made[0][at]
        self.lines[18] = None
        self.write()
        self.assert_finds(f"{self.segment(15)}:4: metadata.sequence is 19, where 18 is next")

    def test_missing_segment_is_found(self):
        os.remove(self.segment(5))
        self.assert_finds(f"{self.segment(10)}: begins with another record")

    def test_exchanged_lines_are_found(self):
        self.lines[6], self.lines[7] = self.lines[7], self.lines[6]
        self.write()
        self.assert_finds(f"{self.segment(5)}:2: metadata.sequence is 7, where 6 is next")

    def test_truncated_trail_is_found(self):
        with open(self.segment(15), "r+b") as file:
            file.truncate(len(self.lines[15]) + 1)
        self.assert_finds("the trail ends after 16 records, but a checkpoint covers 18")

    def test_truncation_beyond_the_folders_checkpoints_is_found_by_a_kept_one(self):
        self.lines, self.notes = self.lines[:10], self.notes[:3]
        for first in (10, 15):
            os.remove(self.segment(first))
        self.write()
        self.assert_in_order("in order: 10 records, 3 checkpoints, 1 records not covered by a checkpoint yet")
        for more in ([], ["--from", "7"], ["--from", "2", "--to", "4"]):
            text = "the trail ends after 10 records, but a checkpoint covers 18"
            self.assert_finds(text, self.folder, "--checkpoint", self.kept(), *more)

    def test_line_of_another_trail_is_found(self):
        for chain, finding in ((OTHER_CHAIN, "chain_uid is"), (CHAIN, "prev_event is not the record before")):
            self.lines[19] = make(self.signer, chain, "other")[0][19]
            self.write()
            self.assert_finds(f"{self.segment(15)}:5: {finding}")

    def test_trail_that_was_written_anew_is_found(self):
        self.lines = make(self.signer, what="other")[0]
        self.write()
        self.assert_finds("the first 3 records are not those of the checkpoint")
        os.remove(os.path.join(self.folder, "checkpoints"))
        self.assert_in_order("in order: 20 records, 0 checkpoints, 20 records not covered by a checkpoint yet")
        text = "the first 6 records are not those of the checkpoint"
        self.assert_finds(text, self.folder, "--checkpoint", self.kept(1))
        # With new checkpoints by the same key too, and in a range that begins after all that was kept.
        self.notes = make(self.signer, what="other")[1]
        self.write()
        self.assert_finds("two checkpoints over 6 records differ", self.folder, "--checkpoint", self.kept(1))
        del self.notes[1]
        self.write()
        for more in ([], ["--from", "15"], ["--from", "15", "--to", "16"]):
            self.assertEqual(self.call(self.folder, "--checkpoint", self.kept(1), *more)[0], 1, more)

    def test_removed_checkpoints_are_replaced_by_a_kept_one(self):
        os.remove(os.path.join(self.folder, "checkpoints"))
        text = "in order: 20 records, 1 checkpoints, 2 records not covered by a checkpoint yet"
        self.assert_in_order(text, self.folder, "--key", self.key, "--checkpoint", self.kept())
        self.lines[3] = self.lines[3].replace(b"level", b"revel")
        self.write()
        self.assert_finds(":4: the record was changed", self.folder, "--checkpoint", self.kept())

    def test_changed_checkpoint_is_found(self):
        for old, new in (("\n6\n", "\n7\n"), ("head ", "head 0"), ("2026", "2027"), ("\u2014", "-"), ("== ", "== =")):
            self.notes[1] = self.made[1][1].replace(old, new, 1)
            if self.notes[1] != self.made[1][1]:
                self.write()
                self.assert_finds("checkpoint 2: ")
        self.notes[1] = self.made[1][1]
        self.notes[0], self.notes[1] = self.notes[1], self.notes[0]
        self.write()
        self.assert_finds("checkpoint 2: covers 3 records, fewer than the one before")

    def test_signed_checkpoint_that_does_not_add_up_is_found(self):
        text = checkpoint_text(self.name, self.lines[:3], self.mark(2).decode())
        for old, new in (("\n3\n", "\n03\n"), ("\n3\n", "\n4\n"), ("frontier ", "frontier  "), ("time 2", "time x"),
                         (b64(root(self.lines[:3])), b64(root(self.lines[:4]))), ("example.org", "example.com")):
            self.notes = [self.signer.note(self.name, text.replace(old, new, 1))]
            self.write()
            self.assert_finds("checkpoint 1: ")
        self.notes = [self.signer.note(self.name, text.replace(self.mark(2).decode(), self.mark(1).decode()))]
        self.write()
        self.assert_finds("the first 3 records are not those")

    def test_checkpoint_by_another_key_is_found(self):
        other = Signer(self.elsewhere)
        self.assert_finds("checkpoint 1: the note is not signed by", self.folder, "--key", other.verifier(self.name))
        text = checkpoint_text(self.name, self.lines[:3], self.mark(2).decode())
        forged = other.note(self.name, text)
        self.notes = [forged.replace(b64(other.hash(self.name))[:5], b64(self.signer.hash(self.name))[:5])]
        self.write()
        self.assertEqual(self.call(self.folder)[0], 1)
        # Signatures by witnesses are passed over.
        self.notes = [self.signer.note(self.name, text) + f"\u2014 witness {b64(bytes(68))}\n"]
        self.write()
        self.assertEqual(self.call(self.folder)[0], 0)

    def test_torn_ends_are_told_and_no_fault(self):
        whole = "in order: 20 records, 6 checkpoints, 2 records not covered by a checkpoint yet"
        with open(self.segment(15), "ab") as file:
            file.write(self.lines[19][:100])
        self.assert_in_order(f"{whole} (100 bytes at the end are no record)")
        with open(self.segment(15), "ab") as file:
            file.write(bytes(audit_verify.MAX_LINE))
        self.assert_in_order(f"{whole} ({100 + audit_verify.MAX_LINE} bytes at the end are no record)")
        self.write()
        for cut in (10, 200, len(self.notes[0].encode()) - 1):
            notes = "".join(f"{note}\n" for note in self.notes).encode() + self.notes[0].encode()[:cut]
            self.put("checkpoints", notes)
            self.assert_in_order(f"{whole} ({cut} bytes at the end of checkpoints are no checkpoint)")
        self.put("checkpoints", "\n".join(self.notes))  # no empty line after the last
        self.assert_in_order(whole)
        with open(self.segment(5), "ab") as file:
            file.write(b"{")
        self.assert_finds(f"{self.segment(5)}:6: ends within a line")

    def test_line_that_is_too_long_is_found(self):
        with open(self.segment(15), "ab") as file:
            file.write(b" " * audit_verify.MAX_LINE + b"\n")
        self.assert_finds(f"{self.segment(15)}:6: the line is longer than 1 MiB")

    def test_range_is_verified_from_the_checkpoint_before_to_the_one_after(self):
        ranged = [self.folder, "--key", self.key, "--from", "7", "--to", "9"]
        text = "in order: records 6 to 11, 2 checkpoints, 0 records not covered by a checkpoint yet"
        self.assert_in_order(text, *ranged)
        for at in (1, 18):
            self.lines[at] = self.lines[at].replace(b"level", b"revel")
        self.write()
        self.assert_in_order(text, *ranged)
        self.assert_finds(":4: the record was changed", *ranged[:-1], "18")
        self.lines[18] = self.made[0][18]
        self.write()
        self.assert_finds("there is no record 20 in the trail", *ranged[:-1], "20")
        self.assertEqual(self.call(*ranged[:-1], "6")[0], 2)

    def proof(self, of, **changes):
        size = len(self.lines) // EVERY * EVERY
        hashes = [b64(node) for node in path(of, self.lines[:size])]
        proof = {"record": self.lines[of].decode(), "index": of, "path": hashes, "checkpoint": self.notes[-1]}
        return ["--proof", self.put("proof", json.dumps({**proof, **changes}), self.elsewhere), "--key", self.key]

    def test_proof_of_one_record(self):
        for index in range(18):
            text = f"in order: record {index} is one of the 18 records of the checkpoint of 2026-01-02T03:04:05.678Z"
            self.assert_in_order(text, *self.proof(index))
        hashes = [b64(node) for node in path(7, self.lines[:18])]
        self.assert_finds("not in the tree", *self.proof(7, path=hashes[:-1]))
        self.assert_finds("not in the tree", *self.proof(7, path=[*hashes, hashes[0]]))
        self.assert_finds("not in the tree", *self.proof(7, path=hashes[::-1]))
        self.assert_finds("metadata.sequence", *self.proof(7, index=8))
        self.assert_finds("the record was changed", *self.proof(7, record=self.lines[7].decode().replace("ev", "eve")))
        self.assert_finds("signature", *self.proof(7, checkpoint=self.notes[-1].replace("2026", "2027")))
        self.assert_finds("members of a proof", *self.proof(7, path=None))
        self.assertEqual(self.call(*self.proof(7)[:2])[0], 2)

    def test_merkle_tree_is_that_of_the_standard(self):
        # The fourth root of the reference implementation's vectors, and the roots by definition.
        known = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
        self.assertEqual(root([b"", b"\0", b"\x10", b"\x20\x21"]).hex(), known)
        leaves, grown = [bytes([number]) for number in range(40)], []
        for count, data in enumerate(leaves, 1):
            audit_verify.push(grown, count - 1, sha256(b"\0" + data))
            self.assertEqual((grown, audit_verify.root_of(grown)), (frontier(leaves[:count]), root(leaves[:count])))
            for index in range(count):
                node, hashes = sha256(b"\0" + leaves[index]), path(index, leaves[:count])
                places = ((index, count), (index + 1, count), (index + count, count))
                found = [audit_verify.root_of_path(at, size, node, hashes) for at, size in places]
                self.assertEqual([there == root(leaves[:count]) for there in found], [True, False, False])
        self.assertIsNone(audit_verify.root_of_path(0, 0, bytes(32), []))

    def test_wrong_usage(self):
        for arguments in ([], ["/nowhere"], [self.folder, "--key", "a+b"], [self.folder, "--from", "x"],
                          [self.folder, "--checkpoint", "/nowhere"], [self.folder, "--key-file", "/nowhere"]):
            self.assertEqual(self.call(*arguments)[0], 2, arguments)

    def test_canonical_form(self):
        value = audit_verify.parse('{"\ufb33":1,"\U0001f600":2,"\\u000f\\b\u007f/":[null,true,-9007199254740992]}')
        self.assertEqual(audit_verify.canonical(value),
                         '{"\\u000f\\b\u007f/":[null,true,-9007199254740992],"\U0001f600":2,"\ufb33":1}')
        short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
        for code in (*range(0x180), 0x2028, 0x2029, 0xfeff, 0xffff, 0x10ffff):
            escaped = short.get(code, f"\\u{code:04x}" if code < 32 else chr(code))
            self.assertEqual(audit_verify.canonical(chr(code)), f'"{escaped}"')
        for wrong in ('{"a":1,"a":1}', "1.0", "1e2", "NaN", "Infinity", "9007199254740993", '{"\\ud800":1}', "[1]x"):
            with self.assertRaises(ValueError, msg=wrong):
                audit_verify.canonical(audit_verify.parse(wrong))
        for wrong in (b'{"a": 1}', b'{"b":1,"a":1}', b"[" * 100_000, b"-0", b'"\\/"', b'"\\u000F"', b"\xff",
                      b'"\\ud800"'):
            with self.assertRaisesRegex(audit_verify.Fault, "not JSON in canonical form", msg=wrong[:20]):
                audit_verify.check_record(wrong, audit_verify.read_key(self.key), 0)


if __name__ == "__main__":
    unittest.main()
