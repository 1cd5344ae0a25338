/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/display/report.h"

#include "tests/unit/check.h"

static void check_text(const struct report *report, const char *expected, int line)
{
    CLEANUP(freep) char *text = report_text(report, true);
    if (strcmp(text, expected) != 0) {
        fprintf(stderr, "line %d:\n%s\n", line, text);
        CHECK_STRING(text, expected);
    }
}

#define TEXT_IS(report, text) check_text(&(report), text, __LINE__)

static void test_diagnostic(void)
{
    struct diagnostic d[] = {
        {.severity = SEVERITY_WARNING,
         .cell = 3,
         .line = 1,
         .column = 1,
         .message = "unused",
         .line_text = "int y;"},
        {.severity = SEVERITY_ERROR,
         .cell = 3,
         .line = 2,
         .column = 9,
         .end_column = 14,
         .message = "use of undeclared identifier 'conut'; did you mean 'count'?",
         .line_text = "int x = conut;",
         .fixit = "count"},
        {.severity = SEVERITY_NOTE,
         .cell = 1,
         .line = 4,
         .column = 5,
         .end_column = 10,
         .message = "'count' declared here",
         .line_text = "int count;"},
        {.severity = SEVERITY_ERROR,
         .file = "/usr/include/a.h",
         .line = 7,
         .message = "in a header"},
    };
    CLEANUP(report_clear) struct report report = {0};
    report_diagnostics(d, sizeof(d) / sizeof(d[0]), &report);
    CHECK_STRING(report.name, "CompileError");
    CHECK_STRING(
        report.message,
        "In[3]:2:9: use of undeclared identifier 'conut'; did you mean 'count'?");
    TEXT_IS(
        report,
        "In[3]:1:1: warning: unused\n"
        "    1 | int y;\n"
        "      | ^\n"
        "In[3]:2:9: error: use of undeclared identifier 'conut'; did you mean 'count'?\n"
        "    2 | int x = conut;\n"
        "      |         ^~~~~\n"
        "      |         count\n"
        "In[1]:4:5: note: 'count' declared here\n"
        "    4 | int count;\n"
        "      |     ^~~~~\n"
        "/usr/include/a.h:7: error: in a header");
    CHECK(strstr(report.lines[3], "\x1b[") != NULL);
    for (size_t i = 0; i < report.n_lines; i++)
        CHECK(strchr(report.lines[i], '\n') == NULL);
}

static void show_one(const char *line, uint32_t column, uint32_t end,
                     const char *expected, int place)
{
    struct diagnostic d = {.severity = SEVERITY_ERROR,
                           .cell = 1,
                           .line = 1,
                           .column = column,
                           .end_column = end,
                           .message = "m",
                           .line_text = (char *)line};
    CLEANUP(report_clear) struct report report = {0};
    CLEANUP(freep) char *all = must_format("In[1]:1:%u: error: m\n%s", column, expected);
    report_diagnostics(&d, 1, &report);
    check_text(&report, all, place);
}

static void test_widths(void)
{
    show_one("\tx = y;", 6, 0, "    1 |         x = y;\n      |             ^", __LINE__);
    show_one("a\tb", 3, 0, "    1 | a       b\n      |         ^", __LINE__);
    /* "ü" has two bytes and one column, "日" three bytes and two columns. */
    show_one("ü = b;", 6, 0, "    1 | ü = b;\n      |     ^", __LINE__);
    show_one("\"日\" + b", 9, 10, "    1 | \"日\" + b\n      |        ^", __LINE__);
    show_one("x日y", 2, 5, "    1 | x日y\n      |  ^~", __LINE__);
    show_one("a\xff\x01 b", 5, 0, "    1 | a<FF><01> b\n      |           ^", __LINE__);
    show_one("abc", 9, 12, "    1 | abc\n      |    ^", __LINE__);
    show_one("", 1, 0, "    1 | \n      | ^", __LINE__);
}

static void test_long_line(void)
{
    char line[100001];
    memset(line, 'a', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    line[50000] = 'B';
    struct diagnostic d = {.severity = SEVERITY_ERROR,
                           .cell = 1,
                           .line = 1,
                           .column = 50001,
                           .message = "m",
                           .line_text = line};
    CLEANUP(report_clear) struct report report = {0};
    report_diagnostics(&d, 1, &report);
    CHECK_INT(report.n_lines, 3);
    CLEANUP(freep) char *text = report_text(&report, true);
    CHECK(strlen(text) < 1000);
    char *second = strchr(text, '\n') + 1, *third = strchr(second, '\n') + 1;
    CHECK(strchr(third, '^') && second[strchr(third, '^') - third] == 'B');
}

static char *source_line(void *context, uint32_t cell, uint32_t line)
{
    return cell == 2 && line == 3 ? must_strdup("    return *p;") : NULL;
}

static void test_fault(void)
{
    struct outcome_frame frames[] = {
        {.function = (char *)"deref", .cell = 2, .line = 3},
        {.function = (char *)"qsort"},
        {.function = (char *)"(cell)", .cell = 3, .line = 7}};
    struct outcome outcome = {.kind = OUTCOME_FAULT,
                              .name = (char *)"SIGSEGV",
                              .message = (char *)"read of address 0x0 (null pointer)",
                              .status = 11,
                              .is_state_kept = true,
                              .frames = frames,
                              .n_frames = 3};
    struct report_context context = {.line = source_line};
    CLEANUP(report_clear) struct report report = {0};
    report_outcome(&outcome, &context, &report);
    CHECK_STRING(report.name, "SIGSEGV");
    CHECK_STRING(report.message, "read of address 0x0 (null pointer) in In[2]:3");
    TEXT_IS(report,
            "SIGSEGV: read of address 0x0 (null pointer) in In[2]:3\n"
            "  at deref (In[2]:3)\n"
            "          3 |     return *p;\n"
            "  at qsort\n"
            "  at (cell) (In[3]:7)\n"
            "The session goes on: definitions are kept, and variables keep what the "
            "cell did until then.");
    outcome.is_state_kept = false;
    report_clear(&report);
    report_outcome(&outcome, NULL, &report);
    CHECK(strstr(report.lines[report.n_lines - 1], "start again"));
    context.is_task = true;
    report_clear(&report);
    report_outcome(&outcome, &context, &report);
    CHECK(strstr(report.lines[report.n_lines - 1], "job worker"));
}

static void test_other_ends(void)
{
    struct outcome outcome = {.kind = OUTCOME_OK};
    CLEANUP(report_clear) struct report report = {0};
    report_outcome(&outcome, NULL, &report);
    outcome.kind = OUTCOME_EXIT;
    report_outcome(&outcome, NULL, &report);
    CHECK(report.n_lines == 0 && !report.name);
    outcome.status = 3;
    outcome.is_state_kept = true;
    report_outcome(&outcome, NULL, &report);
    CHECK_STRING(report.name, "ExitStatus");
    TEXT_IS(report, "ExitStatus: the program ended with exit status 3");
    for (int kind = OUTCOME_COMPILE; kind < OUTCOME_KIND_COUNT; kind++) {
        outcome = (struct outcome){.kind = (enum outcome_kind)kind, .status = 1};
        report_clear(&report);
        report_outcome(&outcome, NULL, &report);
        CHECK(report.name && report.message && *report.message && report.n_lines >= 1);
    }
}

static void test_repeated_frames(void)
{
    struct outcome_frame frames[] = {
        {.function = (char *)"f", .cell = 1, .line = 1},
        {.function = (char *)"f", .cell = 1, .line = 1},
        {.function = (char *)"f", .cell = 1, .line = 1},
        {.function = (char *)"(cell)", .cell = 1, .line = 2}};
    struct outcome outcome = {.kind = OUTCOME_FAULT,
                              .name = (char *)"SIGSEGV",
                              .message = (char *)"stack overflow",
                              .frames = frames,
                              .n_frames = 4};
    CLEANUP(report_clear) struct report report = {0};
    report_outcome(&outcome, NULL, &report);
    CHECK_INT(report.n_lines, 1 + 2 + 1 + 1);
    CHECK_STRING(report.lines[2], "  ... the same 2 times more");
}

static void test_many_frames(void)
{
    struct outcome outcome = {.kind = OUTCOME_FAULT,
                              .name = (char *)"SIGSEGV",
                              .message = (char *)"the stack is exhausted",
                              .n_frames = 5000};
    outcome.frames = must_alloc(5000 * sizeof(*outcome.frames));
    for (size_t i = 0; i < 5000; i++)
        outcome.frames[i] = (struct outcome_frame){
            .function = (char *)(i % 2 ? "f" : "g"), .cell = 1, .line = 1};
    CLEANUP(report_clear) struct report report = {0};
    report_outcome(&outcome, NULL, &report);
    CHECK_INT(report.n_lines, 1 + 60 + 1 + 1);
    CHECK_STRING(report.lines[31], "  ... 4940 more frames");
    free(outcome.frames);
}

int main(void)
{
    test_diagnostic();
    test_widths();
    test_long_line();
    test_fault();
    test_other_ends();
    test_repeated_frames();
    test_many_frames();
    return check_status();
}
