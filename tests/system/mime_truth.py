#!/usr/bin/python3
"""VA01, VA02: what is found in messages is the truth, and others find the same or it is known why."""
import hashlib
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import mime_readers, mime_torture, suite
from peer.mime_builder import Builder
from peer.mime_maker import make

LONG = os.environ.get("POSTERN_LONG") == "1"
TRUTHS = 6000 if LONG else 300
AGREED = 3000 if LONG else 150
BATCH = 50 # messages for one start of a program


def built(t, seeds, **options):
    """[(seed, path, message, parts)]"""
    folder = t.path("messages")
    folder.mkdir(exist_ok=True)
    found = []
    for seed in seeds:
        message, parts = Builder(seed, **options).message()
        path = folder / str(seed)
        path.write_bytes(message)
        found.append((seed, path, message, parts))
    return found


def batches(seeds):
    return [seeds[at:at + BATCH] for at in range(0, len(seeds), BATCH)]


def slices(content, size):
    return [hashlib.md5(content[at:at + size]).hexdigest() for at in range(0, len(content), size)]


def expect_part(where, found, part, slice_bytes):
    sha256 = hashlib.sha256(part.content).hexdigest()
    wanted = (part.kind, part.type, part.name, part.encoding, len(part.content), sha256)
    got = tuple(found[key] for key in ("kind", "type", "name", "encoding", "size", "sha256"))
    assert got == wanted, f"{where}: {got}, not {wanted}"
    assert found["md5"] == slices(part.content, slice_bytes), where


def test_VA01_VA02_every_part_of_messages_made_by_chance_is_found_as_it_was_made(t):
    """The seeds are fixed: Builder(17).message() is always the same. Content is read in pieces of
    an odd size that differs from batch to batch, and MD5s are of slices that do."""
    count = size = 0
    for number, seeds in enumerate(batches(range(TRUTHS))):
        piece, slice_bytes = 1 + number * 977 % 8191, 1000 + number * 7919
        made = built(t, seeds)
        found = mime_readers.ours([path for _, path, _, _ in made], "-r", str(piece),
                                  "-c", str(slice_bytes))
        for (seed, path, message, parts), answer in zip(made, found, strict=True):
            assert len(answer["parts"]) == len(parts), f"seed {seed}: {answer}"
            for i, (got, part) in enumerate(zip(answer["parts"], parts)):
                expect_part(f"seed {seed}, part {i}", got, part, slice_bytes)
            count, size = count + len(parts), size + len(message)
            path.unlink()
    return f"seeds 0 to {TRUTHS - 1}: {count} parts, {size >> 20} MiB"


def test_VA01_so_it_is_in_messages_made_by_another_hand(t):
    count = 0
    for seeds in batches(range(TRUTHS)):
        made = [make(seed) for seed in seeds]
        paths = [t.path(f"{seed}.eml") for seed in seeds]
        for path, one in zip(paths, made):
            path.write_bytes(one.message)
        for one, answer in zip(made, mime_readers.ours(paths), strict=True):
            assert len(answer["parts"]) == len(one.parts), f"seed {one.seed}: {answer}"
            for got, part in zip(answer["parts"], one.parts):
                where = f"seed {one.seed}: {got}, not {part}"
                sha256 = hashlib.sha256(part.bytes).hexdigest()
                assert (got["kind"], got["sha256"]) == (part.kind, sha256), where
                assert part.name in (None, got["name"]), where
                assert got["name"].endswith(part.name_ends), where
            count += len(one.parts)
        for path in paths:
            path.unlink()
    return f"seeds 0 to {TRUTHS - 1}: {count} parts"


def test_VA01_what_is_sound_others_read_alike(t):
    """GMime where parts lie, and Python what is in them: so the truth is not only what its builder
    thinks."""
    count = 0
    for seeds in batches(range(AGREED)):
        made = built(t, seeds, is_plain=True)
        paths = [path for _, path, _, _ in made]
        for (seed, path, message, parts), ours, gmime in zip(
                made, mime_readers.ours(paths), mime_readers.gmime(paths), strict=True):
            leaves = [part for part in ours["parts"] if part["kind"] != "message"]
            places = [(part["type"], part["offset"], part["bytes"]) for part in leaves]
            assert [(g["type"].lower(), g["offset"], g["bytes"]) for g in gmime] == places, seed
            wanted = [(part.type, part.content) for part in parts if part.kind != "message"]
            assert mime_readers.python(message) == wanted, f"seed {seed}: Python"
            count += len(leaves)
            path.unlink()
    return f"{AGREED} messages, {count} leaves"


def last_line_end(contents):
    return [content[:-2] + b"\n" if content.endswith(b"\r\n") else content for content in contents]


def expect_torture(t, name, case, path, others):
    folder = t.path(f"{path.name}.parts")
    folder.mkdir()
    found, = mime_readers.ours([path], "-d", folder)
    ours = [(part["kind"], part["name"], (folder / str(i)).read_bytes())
            for i, part in enumerate(found["parts"])]
    assert ours == case.ours, f"{name}: {ours}"
    leaves = [content for kind, _, content in ours if kind != "message"]
    lying = [case.message[part["offset"]:part["offset"] + part["bytes"]]
             for part in found["parts"] if part["kind"] != "message"]
    python, gmime, mime_tools = others
    for who, theirs, wanted in (
            ("Python", python, leaves if case.python is None else case.python),
            ("GMime", gmime, lying if case.gmime is None else case.gmime),
            ("MIME-tools", last_line_end(mime_tools),
             last_line_end(leaves if case.mime_tools is None else case.mime_tools))):
        assert theirs == wanted, f"{name}: {who} finds {theirs}, not {wanted} ({case.why})"


def test_VA01_of_what_is_broken_least_is_lost(t):
    paths = []
    for number, case in enumerate(mime_torture.CASES.values()):
        paths.append(t.path(f"{number}.eml"))
        paths[-1].write_bytes(case.message)
    gmimes, tools = mime_readers.gmime(paths), mime_readers.mime_tools(paths)
    different = 0
    for (name, case), path, gmime, tool in zip(mime_torture.CASES.items(), paths, gmimes, tools,
                                               strict=True):
        python = [content for _, content in mime_readers.python(case.message)]
        places = [case.message[g["offset"]:g["offset"] + g["bytes"]] for g in gmime or []]
        expect_torture(t, name, case, path, (python, places, tool))
        different += bool(case.why)
    return f"{len(paths)} messages, of which {different} are read otherwise by somebody"


if __name__ == "__main__":
    suite.run(globals())
