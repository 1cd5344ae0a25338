# SPDX-License-Identifier: BSD-3-Clause
"""jupyter_kernel_test, the suite of the Jupyter project, on this kernel."""
import jupyter_kernel_test
import pytest


@pytest.fixture(scope="module", autouse=True)
def installed(kernelspec):
    """The clients of this module find the kernel under its name."""


class TestKernel(jupyter_kernel_test.KernelTests):
    kernel_name = "achar"
    language_name = "c"
    file_extension = ".c"
    code_hello_world = '#include <stdio.h>\nprintf("hello, world\\n");'
    code_stderr = '#include <stdio.h>\nfprintf(stderr, "careful\\n");'
    code_generate_error = "int broken = no_such_name + 1;"
    code_page_something = "#include <math.h>\n?hypot"
    code_inspect_sample = "printf"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "1.5 / 2", "result": "0.75"},
        {"code": "'a'", "result": "97"},
        {"code": '"pickle"', "result": '"pickle"'},
        {"code": "(char)97", "result": "'a' (97)"},
    ]
    code_display_data = [
        {"code": '#include <achar.h>\ndisplay_html("<b>bold</b>");', "mime": "text/html"},
        {"code": 'unsigned char dot[3] = {255}; display_pixels(dot, 1, 1, 3);',
         "mime": "image/png"},
    ]
    code_clear_output = "#include <achar.h>\nclear_output(0);"
    code_history_pattern = "6 [*]*"
    supported_history_operations = ("tail", "range", "search")
    completion_samples = [
        {"text": "int typed = sizeo", "matches": {"sizeof"}},
        {"text": "%unp", "matches": {"%unpickle"}},
        {"text": "struct completed { int a_member; } completed_object; completed_object.a_m",
         "matches": {"a_member"}},
    ]
    complete_code_samples = [
        "1", "int a = 2;", 'puts("x");', "int f(int x)\n{\n    return x;\n}", "%who",
        "/* comment */", "struct s { int x; };", "for (int i = 0; i < 3; i++)\n    ;",
        "#define TWO 2", "%%time\n1 + 1",
    ]
    incomplete_code_samples = [
        "int f(int x) {", "int a =", "f(1,", "/* comment", "struct s {\n    int x;",
        "if (1) {", "#define LONG 1 \\", "1 +", "{",
    ]
    invalid_code_samples = ["}", "int a = );", "f(]"]


class TestIopubWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "achar"
    support_iopub_welcome = True
