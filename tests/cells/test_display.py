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


POINTS = """
struct point { int x; double y; };
struct point points[3] = {{1, 2.5}, {2, 1e100}};
int numbers[4] = {1, 2, 3};
"""


@pytest.mark.parametrize("expression, text", [
    ("numbers", "{1, 2, 3, 0}"), ("numbers[1] + 1", "3"), ("points[0]", "{.x = 1, .y = 2.5}"),
    ("(char)'x'", "'x' (120)"), ("(_Bool)1", "true"), ("1.5f", "1.5"), ('"text"', '"text"'),
    ("&points[1]", "&points[1] -> {.x = 2, .y = 1e+100}"), ("points[1].x", "2"),
    ("(struct point){5, 6}", "{.x = 5, .y = 6.0}"), ("( numbers [ 0 ] )", "1"),
])
def test_any_value(shared_session, expression, text):
    shared_session.run(HEADER + POINTS)
    cell = shared_session.run(f"display({expression});")
    assert [data["text/plain"] for data in cell.displays] == [text], cell


def test_any_value_inside_functions(shared_session):
    cell = shared_session.run(HEADER + POINTS + """
        void walk(const struct point *at, int n)
        {
            int local[2] = {n, n + 1};
            for (int i = 0; i < n; i++) { display(at[i]); display(at[i].x); }
            display(local);
            display(walk);
        }
        walk(points, 2);""")
    assert [data["text/plain"] for data in cell.displays] == [
        "{.x = 1, .y = 2.5}", "1", "{.x = 2, .y = 1e+100}", "2", "{2, 3}", "&walk"]


def test_any_value_with_another_compiler(shared_session):
    cell = shared_session.run(HEADER + POINTS + """
        #include <complex.h>
        void turn(double complex z) { display(z * I); display(points[0]); }
        turn(1 + 2 * I);""")
    assert [data["text/plain"] for data in cell.displays] == [
        "-2.0 + 1.0*I", "{.x = 1, .y = 2.5}"]


def test_a_variable_may_hold_what_was_shown(shared_session):
    first = shared_session.run(HEADER + POINTS + "achar_display *table = display(points);")
    second = shared_session.run("points[0].x = 77; update_display(table, display(points));")
    assert first.shown[0][1]["transient"] == second.shown[0][1]["transient"]
    assert ".x = 77" in second.displays[0]["text/plain"]


def test_types_inside_functions_are_refused(shared_session):
    cell = shared_session.run(HEADER + """
        void inside(void) { struct hidden { int a; } h = {1}; display(h); }
        inside();""")
    assert not cell.displays and "the type of 'h' is not known here" in cell.stderr


def test_mistakes_in_an_argument_are_told_once(shared_session):
    cell = shared_session.run(HEADER + "display(no_such_variable);")
    assert cell.traceback.count("undeclared") == 1 and "macro" not in cell.traceback


def test_tasks_display_too(shared_session):
    shared_session.run(HEADER + POINTS + """
        int task(int n)
        {
            printf("before\\n");
            display(points[n]);
            printf("after\\n");
            display_html("<b>done</b>");
            return n;
        }""")
    cell = shared_session.run("%call task(1)")
    assert cell.is_ok and cell.value == "1", cell
    assert [content.get("text") or content["data"] for _, content in cell.shown] == [
        "before\n", {"text/plain": "{.x = 2, .y = 1e+100}"}, "after\n",
        {"text/html": "<b>done</b>"}]


def test_remote_cells_display_too(shared_session):
    shared_session.run(HEADER + POINTS)
    cell = shared_session.run("""%%remote
        printf("before\\n");
        for (int i = 0; i < 2; i++)
            display(points[i].x);
        display(points[1]);""")
    assert [content.get("text") or content["data"]["text/plain"] for _, content in cell.shown] == [
        "before\n", "1", "2", "{.x = 2, .y = 1e+100}"], cell


def test_locals_are_followed(shared_session):
    cell = shared_session.run(HEADER + POINTS + """
        void down(struct point *at) { display(at); display(&at->x); }
        void up(void) { struct point own = {7, 8}; down(&own); }
        up();
        static int *gone;
        void leave(void) { int x = 1; gone = &x; }
        leave();""")
    whole, member = [data["text/plain"] for data in cell.displays]
    assert whole.endswith("-> {.x = 7, .y = 8.0}") and member.endswith("-> 7")
    assert shared_session.value("gone").endswith("(on the stack)")


TABLE = """<table>
<thead><tr><th></th><th>x</th><th>name</th></tr></thead>
<tbody>
<tr><th>0</th><td>1</td><td style="text-align: left">"&lt;b&gt;"</td></tr>
<tr><th>1</th><td>2</td><td style="text-align: left">NULL</td></tr>
</tbody></table>
"""


def test_arrays_of_structs_are_tables(shared_session):
    cell = shared_session.run("""
        struct row { int x; const char *name; };
        struct row rows[2] = {{1, "<b>"}, {2}};
        rows""")
    assert cell.data == {"text/plain": '{{.x = 1, .name = "<b>"}, {.x = 2, .name = NULL}}',
                         "text/html": TABLE}
    behind = shared_session.run("""
        #include <stdlib.h>
        #include <string.h>
        struct row *block = malloc(sizeof rows);
        memcpy(block, rows, sizeof rows);
        block""")
    assert behind.data["text/html"] == TABLE
    assert "text/html" not in shared_session.run("&rows[0]").data
    assert "text/html" not in shared_session.run("rows[0]").data


def test_matrices_are_tables(shared_session):
    html = shared_session.run("double matrix[2][2] = {{1, 0.1}, {-1e9}};\nmatrix").data["text/html"]
    assert "<tr><th>0</th><td>1.0</td><td>0.1</td></tr>" in html
    long = shared_session.run("short many[1000][100];\nmany").data["text/html"]
    assert "<p>1000 rows, 100 columns</p>" in long and "<th>999</th>" in long
    assert "<th>500</th>" not in long and len(long) < 50000
    assert "text/html" not in shared_session.run("int row[3];\nrow").data


MIME = HEADER + """
typedef struct vector { double x, y; } vector;
vector v = {1, 2};
"""


def test_mime_function(session):
    assert session.run(MIME + "v").data == {"text/plain": "{.x = 1.0, .y = 2.0}"}
    session.run("""void mime_vector(const vector *it, achar_bundle *out)
        {
            achar_bundle_format(out, "text/html", "<i>%g</i>", it->x);
        }""")
    for expression in ("v", "&v", "*&v", "(const struct vector){1, 3}"):
        assert session.run(expression).data["text/html"] == "<i>1</i>", expression
    assert session.run("v").data["text/plain"] == "{.x = 1.0, .y = 2.0}"
    assert session.run("display(v);").displays[0]["text/html"] == "<i>1</i>"
    assert "text/html" not in session.run("v.x").data
    session.run("""void mime_vector(const vector *it, achar_bundle *out)
        {
            achar_bundle_text(out, "text/plain", "a vector");
        }""")
    assert session.run("v").data == {"text/plain": "a vector"}


def test_mime_function_of_nameless_structs_and_enums(session):
    session.run(HEADER + """
        typedef struct { int a; } nameless;
        enum colour { RED, GREEN };
        void mime_nameless(nameless *it, achar_bundle *out) { achar_bundle_text(out, "text/plain", "n"); }
        void mime_colour(const enum colour *it, achar_bundle *out)
        {
            achar_bundle_format(out, "text/plain", "colour %d", *it);
        }""")
    assert session.value("(nameless){1}") == "n"
    assert session.value("(enum colour)1") == "colour 1"


def test_mime_function_that_fails(session):
    session.run(MIME)
    session.run("""void mime_vector(const vector *it, achar_bundle *out)
        {
            *(volatile int *)0 = 1;
        }""")
    cell = session.run("v")
    assert cell.name == "SIGSEGV" and "mime_vector" in cell.traceback and "In[2]:3" in cell.traceback
    assert session.value("v.x") == "1.0"
    session.run("void mime_vector(const vector *it, achar_bundle *out) { for (;;); }")
    sent = session.send("v")
    while session.client.get_iopub_msg(timeout=30)["msg_type"] != "execute_input":
        pass
    session.interrupt()
    assert session.finish(sent).name == "Interrupted"
    assert session.value("1 + 1") == "2"


def test_mime_function_of_another_type_is_told(session):
    session.run(MIME + "void mime_vector(int x) {}")
    cell = session.run("v")
    assert "mime_vector() is not used: it is 'void (int)'" in cell.stderr
    assert cell.value == "{.x = 1.0, .y = 2.0}"


def test_displays_go_on_after_a_fault(session):
    session.run(HEADER + 'achar_display *bar = display_text("0 %");')
    cell = session.run('display_text("seen"); *(volatile int *)0 = 1;')
    assert cell.name == "SIGSEGV" and cell.displays == [{"text/plain": "seen"}]
    cell = session.run('update_display(bar, display_text("1 %")); display_text("new");')
    assert [kind for kind, _ in cell.shown] == ["update_display_data", "display_data"]


@pytest.mark.not_with_asan("it reports reads that only look whether there is anything")
def test_garbage_is_shown(session):
    """Structs of random bits, with pointers to live, freed and foreign memory among them."""
    cell = session.run(HEADER + """
        #include <stdint.h>
        #include <stdlib.h>
        #include <wchar.h>
        struct junk {
            char *s; struct junk *next; wchar_t *w; void *v; int (*f)(int); double d; char **ss;
            int (*a)[3]; long double ld; _Bool b; unsigned bits : 5; enum { A, B = 4 } e;
            struct junk *all[3]; char text[5];
        };
        uint64_t state = 1;
        uint64_t next_random(void)
        {
            state ^= state << 13; state ^= state >> 7; state ^= state << 17;
            return state;
        }
        char *blocks[16];
        for (int i = 0; i < 16; i++) {
            blocks[i] = malloc(i * 37 + 1);
            for (int k = 0; k < i * 37 + 1; k++)
                blocks[i][k] = next_random();
            if (i % 3 == 0)
                free(blocks[i]);
        }
        uint64_t pick(uint64_t *words)
        {
            uint64_t r = next_random();
            switch (next_random() % 6) {
            case 0: return r;
            case 1: return (uint64_t)(blocks[r % 16] + r / 16 % 700);
            case 2: return (uint64_t)&words[r % 20];
            case 3: return (uint64_t)((char *)malloc + r % 100000);
            case 4: return r % 4096;
            default: return (uint64_t)((char *)&state + (int64_t)(r % 100000) - 50000);
            }
        }
        for (int round = 0; round < 300; round++) {
            uint64_t *words = malloc(sizeof(struct junk) + next_random() % 300);
            for (size_t i = 0; i < sizeof(struct junk) / 8; i++)
                words[i] = pick(words);
            struct junk *junk = (struct junk *)words;
            display(junk);
            display(*junk);
            if (next_random() % 4 == 0)
                free(junk);
        }""")
    assert cell.is_ok, cell.traceback
    assert len(cell.displays) == 600 and not cell.stderr
    assert all(len(data["text/plain"]) < 70000 for data in cell.displays)


def test_programs_print_what_they_would_display(session, tmp_path):
    session.run(HEADER + POINTS + """
        int shown(int x)
        {
            display_html("<b>bold</b>");
            display(points[x]);
            update_display(display_pixels("abc", 1, 1, 3), display_text("text"));
            return x;
        }
        void mime_point(const struct point *it, achar_bundle *out)
        {
            achar_bundle_format(out, "text/html", "<i>%d</i>", it->x);
        }
        shown(1);""")
    made = session.run("""%export shown.c
        !cc -Wall -Werror shown.c -o shown && ./shown""")
    assert "<b>bold</b>\npoints[x]\n[pixels, 3 bytes]\ntext\n" in made.stdout, made


def test_wide_literals(shared_session):
    shared_session.run(HEADER)
    for text in ('L"h\\u00e9llo"', 'u"abc"', 'U"\\U0001F600"', '(L"ab")', 'L""', 'L"a" L"b"'):
        shown = {'L"h\\u00e9llo"': 'L"héllo"', 'U"\\U0001F600"': 'U"😀"', '(L"ab")': 'L"ab"',
                 'L"a" L"b"': 'L"ab"'}.get(text, text)
        assert shared_session.value(text) == shown
        assert shared_session.run(f"display({text});").displays == [{"text/plain": shown}]


def test_arrays_whose_length_a_cell_computes(shared_session):
    shared_session.run("int vla_n = 3;\nstruct vla_p { int x; double y; };\nint vla_v[vla_n];\n"
                       "int vla_m[vla_n][vla_n];\nstruct vla_p vla_s[vla_n];\n"
                       "for (int i = 0; i < 9; i++)\n    vla_m[i / 3][i % 3] = i;\nvla_s[1].x = 7;")
    for text, shown in (("vla_v", "{0, 0, 0}"), ("vla_m", "{{0, 1, 2}, {3, 4, 5}, {6, 7, 8}}"),
                        ("vla_s", "{{.x = 0, .y = 0.0}, {.x = 7, .y = 0.0}, {.x = 0, .y = 0.0}}"),
                        ("vla_m[1]", "{3, 4, 5}"), ("&vla_v", "&vla_v -> {0, 0, 0}"),
                        ("int (*vla_r)[vla_n] = vla_m; vla_r + 1", "&vla_m[1] -> {3, 4, 5}"),
                        ("wchar_t vla_w[vla_n]; vla_w[0] = L'a'; vla_w", 'L"a"'),
                        ("vla_n = 9; vla_v", "{0, 0, 0}")):
        assert shared_session.value(text) == shown


def test_threads_display_while_cells_are_loaded(session):
    session.run(HEADER + """#include <pthread.h>
        #include <unistd.h>
        struct link { int n; struct link *next; } links[3] = {{1, &links[1]}, {2, &links[2]}, {3}};
        volatile int goes_on = 1;
        void *show_links(void *unused)
        {
            while (goes_on) {
                display(links);
                usleep(500);
            }
            return unused;
        }
        pthread_t shower[3];""")
    shown = session.value("links")
    session.run("for (int i = 0; i < 3; i++) pthread_create(&shower[i], NULL, show_links, NULL);")
    for i in range(40):
        cell = session.run(f"struct fresh_{i} {{ int a[{i + 1}]; struct fresh_{i} *next; }} f{i};\n"
                           f"int g(struct fresh_{i} *x) {{ return x->a[0] + {i}; }}\n"
                           f"g(&f{i})")
        assert cell.value == str(i), cell.traceback
        assert all(data["text/plain"] == shown for data in cell.displays), cell.displays
    running = session.send("while (goes_on) usleep(1000);")
    while session.client.get_iopub_msg(timeout=30)["msg_type"] != "execute_input":
        pass
    while session.client.get_iopub_msg(timeout=30)["msg_type"] != "display_data":
        pass  # also while a cell runs
    session.interrupt()
    assert session.finish(running).name == "Interrupted"
    cell = session.run("goes_on = 0;\nfor (int i = 0; i < 3; i++) pthread_join(shower[i], NULL);")
    assert cell.is_ok, cell.traceback
