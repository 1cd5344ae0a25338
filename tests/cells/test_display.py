# SPDX-License-Identifier: BSD-3-Clause
"""What cells display through <achar.h>."""
import base64
import struct
import zlib

import pytest

HEADER = "#include <achar.h>\n#include <stdio.h>\n"


def shown(session, code):
    """The cell's displays as (MIME type, data) of their only part."""
    cell = session.run(HEADER + code)
    assert cell.is_ok and not cell.stderr, cell
    return [next(iter(data.items())) for data in cell.displays]


@pytest.mark.parametrize("call, mime, data", [
    ('display_text("as it is")', "text/plain", "as it is"),
    ('display_html("<b>é</b>")', "text/html", "<b>é</b>"),
    ('display_markdown("*a*")', "text/markdown", "*a*"),
    ('display_latex("$x^2$")', "text/latex", "$x^2$"),
    ('display_svg("<svg/>")', "image/svg+xml", "<svg/>"),
    ('display_json("{\\"a\\": [1, null]}")', "application/json", {"a": [1, None]}),
    ('display_vegalite("{\\"mark\\": \\"bar\\"}")', "application/vnd.vegalite.v5+json",
     {"mark": "bar"}),
    ('display_png("\\x89PNG", 4)', "image/png", base64.b64encode(b"\x89PNG").decode()),
    ('display_jpeg("\\xff\\xd8", 2)', "image/jpeg", base64.b64encode(b"\xff\xd8").decode()),
    ('display_data("text/x-own", "own", 3)', "text/x-own", "own"),
])
def test_each_kind(shared_session, call, mime, data):
    assert shown(shared_session, call + ";") == [(mime, data)]
    cell = shared_session.run(call)  # a last expression
    assert [next(iter(data.items())) for data in cell.displays] == [(mime, data)]
    assert cell.value is None


def test_order_with_what_is_printed(shared_session):
    cell = shared_session.run(HEADER + """
        for (int i = 0; i < 20; i++) {
            printf("before %d", i);
            display_text("shown");
        }
        printf("after");""")
    order = [content["text"] if kind == "stream" else kind for kind, content in cell.shown]
    assert order == [part for i in range(20) for part in (f"before {i}", "display_data")] + ["after"]


def test_updates_reach_other_cells(shared_session):
    first = shared_session.run(HEADER + 'achar_display *bar = display_text("0 %");')
    second = shared_session.run('update_display(bar, display_html("<b>1 %</b>"));')
    [(_, old)], [(kind, new)] = first.shown, second.shown
    assert kind == "update_display_data" and new["data"] == {"text/html": "<b>1 %</b>"}
    assert old["transient"] == new["transient"] and new["transient"]["display_id"]
    third = shared_session.run('display_text("another");')
    assert third.shown[0][1]["transient"] != old["transient"]


def test_clear_output(shared_session):
    cell = shared_session.run(HEADER + 'printf("a"); clear_output(1); clear_output(0);')
    assert [(kind, content.get("wait")) for kind, content in cell.shown] == [
        ("stream", None), ("clear_output", True), ("clear_output", False)]


def test_bundle(shared_session):
    cell = shared_session.run(HEADER + """
        achar_bundle *both = achar_bundle_new();
        achar_bundle_format(both, "text/html", "<i>%d", 42);
        achar_bundle_text(both, "text/html", "</i>");
        achar_bundle_add(both, "text/plain", "42!", 2);
        achar_bundle_metadata(both, "text/html", "{\\"width\\": 5}");
        display_bundle(both);
        achar_bundle_free(both);""")
    [(_, content)] = cell.shown
    assert content["data"] == {"text/html": "<i>42</i>", "text/plain": "42"}
    assert content["metadata"] == {"text/html": {"width": 5}}


def read_png(data):
    """(width, height, colour type, rows) of a picture with "up" and no filters only."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        chunks[kind] = data[at + 8:at + 8 + size]
        checksum, = struct.unpack(">I", data[at + 8 + size:at + 12 + size])
        assert checksum == zlib.crc32(kind + chunks[kind])
        at += size + 12
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert depth == 8
    raw = zlib.decompress(chunks[b"IDAT"])
    step, rows = len(raw) // height, []
    for y in range(height):
        line = raw[y * step:(y + 1) * step]
        above = rows[-1] if line[0] == 2 else [0] * step
        rows.append([(byte + up) % 256 for byte, up in zip(line[1:], above)])
    return width, height, colour, rows


@pytest.mark.parametrize("n, colour", [(1, 0), (2, 4), (3, 2), (4, 6)])
def test_pixels(shared_session, n, colour):
    [(mime, data)] = shown(shared_session, f"""
        unsigned char pixels{n}[5 * 7 * {n}];
        for (int i = 0; i < 5 * 7 * {n}; i++)
            pixels{n}[i] = i * 13;
        display_pixels(pixels{n}, 7, 5, {n});""")
    assert mime == "image/png"
    rows = [[(y * 7 * n + i) * 13 % 256 for i in range(7 * n)] for y in range(5)]
    assert read_png(base64.b64decode(data)) == (7, 5, colour, rows)


def test_files(shared_session, tmp_path):
    (tmp_path / "a.SVG").write_text("<svg/>")
    (tmp_path / "b.c").write_text("int x;")
    (tmp_path / "c.gif").write_bytes(b"GIF89a")
    calls = "".join(f'display_file("{tmp_path}/{name}");' for name in ("a.SVG", "b.c", "c.gif"))
    assert shown(shared_session, calls) == [
        ("image/svg+xml", "<svg/>"), ("text/plain", "int x;"),
        ("image/gif", base64.b64encode(b"GIF89a").decode())]


@pytest.mark.parametrize("call, message", [
    ("display_html(NULL)", "display_html: the text is NULL"),
    ("display_html((char *)16)", "display_html: the text at address 0x10 cannot be read"),
    ("display_png((void *)16, 5)", "display_png: 5 bytes at address 0x10 cannot be read"),
    ('display_png("x", (size_t)1 << 40)', "more than 67108864 bytes cannot be displayed"),
    ("display_pixels((void *)16, 10, 10, 3)", "the 300 bytes of pixels at address 0x10"),
    ('display_pixels("", 1, 1, 5)', "a pixel has 1 to 4 bytes, not 5"),
    ('display_pixels("", 0, -1, 3)', "a picture has 1 to 32768 pixels"),
    ('display_data("html", "", 0)', "'html' is not a MIME type"),
    ('display_file("/nowhere/a.png")', "cannot read '/nowhere/a.png': No such file"),
    ('display_file("/")', "cannot read '/': it is not a file"),
    ('display_json("{1}")', "'application/json' is not JSON: line 1, column 2"),
])
def test_what_cannot_be_shown(shared_session, call, message):
    cell = shared_session.run(HEADER + call + ";\n1 + 1")
    assert message in cell.stderr and not cell.displays and cell.value == "2"


def test_threads_and_children(shared_session):
    cell = shared_session.run(HEADER + """
        #include <pthread.h>
        #include <unistd.h>
        #include <sys/wait.h>
        static void *work(void *text) { return display_text(text); }
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, "of a thread");
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        if (fork() == 0) { display_text("of a child"); _exit(0); }
        wait(NULL);
        display_text("last");""")
    assert [data["text/plain"] for data in cell.displays] == ["of a thread"] * 4 + ["last"]
    assert "a child process cannot display" in cell.stderr


def test_endless_displays_can_be_interrupted(session):
    sent = session.send(HEADER + 'for (;;) display_text("tick");')
    session.client.get_iopub_msg(timeout=30)
    while session.client.get_iopub_msg(timeout=30)["msg_type"] != "display_data":
        pass
    session.interrupt()
    assert session.finish(sent).name == "Interrupted"
    assert session.value("1 + 1") == "2"


def test_header_with_another_compiler(shared_session):
    """The whole header, where libtcc does not compile the cell."""
    assert shown(shared_session, """
        #include <complex.h>
        double complex turned(double complex z) { display_text("turned"); return z * I; }
        turned(1);""") == [("text/plain", "turned")]


def test_names_are_free_without_the_header(session):
    assert session.value("int display(int x) { return x + 1; }\ndisplay(1)") == "2"
