/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/display/findings.h"
#include "magics/checked.h"
#include "tests/unit/check.h"

static const char asan[] =
    "=================================================================\n"
    "==10==ERROR: AddressSanitizer: heap-use-after-free on address 0x602 at pc 0x5 bp "
    "0x7 "
    "sp 0x7\n"
    "READ of size 1 at 0x602 thread T0\n"
    "    #0 0x5 in __interceptor_strlen asan_interceptors.cpp:1\n"
    "    #1 0x5 in look tmp/In[3]:6:9\n"
    "    #2 0x5 in achar_entry tmp/In[4]:2\n"
    "    #3 0x5 in main tmp/achar:5\n"
    "\n"
    "0x602 is located 2 bytes inside of 8-byte region [0x600,0x608)\n"
    "freed by thread T0 here:\n"
    "    #0 0x5 in __interceptor_free x.cpp:1\n"
    "    #1 0x5 in achar_entry tmp/In[4]:1\n"
    "\n"
    "previously allocated by thread T0 here:\n"
    "    #0 0x5 in __interceptor_malloc x.cpp:1\n"
    "    #1 0x5 in make tmp/In[3]:1\n"
    "\n"
    "SUMMARY: AddressSanitizer: heap-use-after-free x.cpp:1 in __interceptor_strlen\n"
    "Shadow bytes around the buggy address:\n"
    "    #0 not a frame\n";

static void reads_a_sanitizer(void)
{
    struct findings findings = {0};
    findings_read_text(asan, &findings);
    CHECK_INT(findings.n, 1);
    const struct finding *finding = &findings.at[0];
    CHECK_STRING(
        finding->text,
        "heap-use-after-free: read of 1 byte, 2 bytes inside a block of 8 bytes");
    CHECK_INT(finding->n, 3);
    CHECK_INT(finding->stacks[0].n, 4);
    CHECK_STRING(finding->stacks[0].frames[0].function, "strlen");
    CHECK_INT(finding->stacks[0].frames[1].cell, 3);
    CHECK_INT(finding->stacks[0].frames[1].line, 6);
    CHECK_INT(finding->stacks[0].frames[1].column, 9);
    CHECK_STRING(finding->stacks[0].frames[2].function, "(cell)");
    CHECK_STRING(finding->stacks[1].label, "freed in");
    CHECK_STRING(finding->stacks[2].label, "allocated in");
    struct report report = {0};
    report_findings("AddressSanitizer", &findings, NULL, &report);
    CHECK_STRING(report.message, "heap-use-after-free: read of 1 byte, 2 bytes inside a "
                                 "block of 8 bytes in In[3]:6");
    CLEANUP(freep) char *text = report_text(&report, true);
    CHECK_STRING(strstr(text, "  at"), "  at strlen\n"
                                       "  at look (In[3]:6)\n"
                                       "  at (cell) (In[4]:2)\n"
                                       "  freed in\n"
                                       "  at free\n"
                                       "  at (cell) (In[4]:1)\n"
                                       "  allocated in\n"
                                       "  at malloc\n"
                                       "  at make (In[3]:1)");
    report_clear(&report);
    findings_clear(&findings);
}

static void reads_runtime_errors(void)
{
    struct findings findings = {0};
    findings_read_text("In[3]:3:34: runtime error: signed integer overflow: 1 + 2\n"
                       "    #0 0x55 in add tmp/In[3]:3\n"
                       "\n"
                       "In[4]:1:2: runtime error: load of null pointer\n"
                       "    #0 0x55 in achar_entry tmp/In[4]:1\n",
                       &findings);
    CHECK_INT(findings.n, 2);
    CHECK_STRING(findings.at[0].text, "signed integer overflow: 1 + 2");
    CHECK_INT(findings.at[0].stacks[0].n, 1);
    CHECK_STRING(findings.at[0].stacks[0].frames[0].function, "add");
    CHECK_INT(findings.at[0].stacks[0].frames[0].column, 34);
    CHECK_STRING(findings.at[1].stacks[0].frames[0].function, "(cell)");
    findings_clear(&findings);
}

static void reads_leaks_and_locals(void)
{
    struct findings findings = {0};
    findings_read_text(
        "==1==ERROR: LeakSanitizer: detected memory leaks\n\n"
        "Direct leak of 16 byte(s) in 2 object(s) allocated from:\n"
        "    #0 0x1 in __interceptor_malloc x.cpp:69\n"
        "    #1 0x1 in make tmp/In[1]:4\n\n"
        "Indirect leak of 8 byte(s) in 1 object(s) allocated from:\n"
        "    #0 0x1 in make tmp/In[1]:9\n\n"
        "==1==ERROR: AddressSanitizer: stack-buffer-overflow on address 0x7\n"
        "WRITE of size 4 at 0x7 thread T0\n"
        "    #0 0x1 in f tmp/In[2]:3\n\n"
        "Address 0x7 is located in stack of thread T0 at offset 44 in frame\n"
        "    #0 0x1 in f tmp/In[2]:1\n\n"
        "  This frame has 1 object(s):\n"
        "    [32, 44) 'a' (line 3) <== Memory access at offset 44 overflows "
        "this variable\n",
        &findings);
    CHECK_INT(findings.n, 2);
    CHECK_STRING(findings.at[0].text, "leak of 16 bytes in 2 blocks, allocated");
    CHECK_INT(findings.at[0].stacks[0].n, 2);
    CHECK_STRING(findings.at[1].text,
                 "stack-buffer-overflow: write of 4 bytes, behind the variable 'a'");
    CHECK_INT(findings.at[1].n, 1);
    findings_clear(&findings);
}

static void reads_valgrind(void)
{
    struct findings findings = {0};
    findings_read_xml(
        "<what>not in an error</what>\n<error>\n  <kind>InvalidWrite</kind>\n"
        "  <what>Invalid write of size 4 &lt;&amp;&gt;</what>\n  <stack>\n"
        "    <frame>\n      <fn>fill</fn>\n      <file>In[3]</file>\n"
        "      <line>6</line>\n    </frame>\n"
        "    <frame>\n      <ip>0x1</ip>\n    </frame>\n  </stack>\n"
        "  <auxwhat>Address 0x4a is 0 bytes after a block of size 16 "
        "alloc'd</auxwhat>\n  <stack>\n    <frame>\n      <fn>malloc</fn>\n"
        "    </frame>\n  </stack>\n</error>\n<error>\n  <xwhat>\n"
        "    <text>4 bytes in 1 blocks are lost in loss record 1 of 2</text>\n"
        "  </xwhat>\n</error>\n",
        &findings);
    CHECK_INT(findings.n, 2);
    CHECK_STRING(findings.at[0].text,
                 "Invalid write of size 4 <&>, 0 bytes after a block of "
                 "size 16 alloc'd");
    CHECK_INT(findings.at[0].stacks[0].n, 2);
    CHECK_INT(findings.at[0].stacks[0].frames[0].line, 6);
    CHECK_STRING(findings.at[0].stacks[1].label, "allocated in");
    CHECK_STRING(findings.at[1].text, "4 bytes in 1 blocks are lost");
    findings_clear(&findings);
}

/* A program may write what it likes to where its report is read from. */
static void survives_anything(void)
{
    static const char *const texts[] = {
        "",
        "\n\n",
        "ERROR: Sanitizer: \n#\n # in \n",
        "READ of size 99999999999999999999\n",
        " is located  bytes-byte region\n",
        ": runtime error: \n#0 0x in \n",
        "<error>\n<what>\n<frame>\n</frame>\n</stack>\n",
        "<error>\n<what></what>\n<stack>\n<fn>\n</frame>\n",
        "In[99999999999999]:1:1: runtime error: x\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct findings findings = {0};
        struct report report = {0};
        findings_read_text(texts[i], &findings);
        findings_read_xml(texts[i], &findings);
        report_findings("Tool", &findings, NULL, &report);
        CHECK(findings.n <= 2);
        report_clear(&report);
        findings_clear(&findings);
    }
    struct findings many = {0};
    for (int i = 0; i < 2 * FINDINGS_MAX; i++)
        findings_read_text("In[1]:1:1: runtime error: x\n", &many);
    CHECK_INT(many.n, FINDINGS_MAX);
    CHECK_INT(many.n_left_out, FINDINGS_MAX);
    findings_clear(&many);
}

int main(void)
{
    reads_a_sanitizer();
    reads_runtime_errors();
    reads_leaks_and_locals();
    reads_valgrind();
    survives_anything();
    return check_status();
}
