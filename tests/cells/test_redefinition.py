# SPDX-License-Identifier: BSD-3-Clause
"""Later cells redefine, earlier callers and stored pointers follow."""


def test_function(session):
    run = session.value
    run("int f(int x) { return x; }\nint g(int x) { return f(x) + 1; }\nint (*p)(int) = f;")
    assert run("g(5)") == "6"
    run("int f(int x) { return 10 * x; }")
    assert run("g(5)") == "51"
    assert run("p(5)") == "50"
    assert run("p == f") == "1"


def test_recursive_function(session):
    run = session.value
    run("int f(int n) { return n ? n + f(n - 1) : 0; }")
    assert run("f(4)") == "10"
    run("int f(int n) { return n ? n * f(n - 1) : 1; }")
    assert run("f(4)") == "24"


def test_pointer_to_a_function_of_another_signature(session):
    """It goes on calling the code that it fits, and cannot travel under a name."""
    run = session.value
    run("int f(int x) { return x + 1; }\nint (*p)(int) = f;")
    run("long f(long a, long b) { return a * b; }")
    assert run("f(3, 4)") == "12"
    assert run("p(1)") == "2"
    assert run("(void *)p == (void *)f") == "0"
    cell = session.run("%call p(1)")
    assert cell.status == "error" and "no name" in cell.traceback
    run("int f = 3;")
    assert run("p(1)") == "2"


def test_signature(session):
    """Callers are compiled again with the new one."""
    run = session.value
    run("int f(int x) { return x / 2; }\ndouble g(void) { return f(3); }")
    assert run("g()") == "1.0"
    run("double f(double x) { return x / 2; }")
    assert run("g()") == "1.5"


def test_signature_that_cannot_be_followed(session):
    run = session.value
    run("int f(int x) { return x; }\nint g(void) { return f(3); }")
    cell = session.run("int f(int x, int y) { return x + y; }")
    assert "g" in cell.stdout + cell.stderr + cell.traceback
    assert run("f(1, 2)") == "3"
    later = session.run("g()")
    assert not later.is_ok and "g" in later.traceback
    run("int g(void) { return f(3, 4); }")
    assert run("g()") == "7"


def test_variable_keeps_its_address(session):
    run = session.value
    run("int n = 1;\nint *p = &n;")
    run("int n = 2;")
    assert run("*p") == "2"


def test_variable_of_another_type(session):
    run = session.value
    run("int n = 1;\nint get(void) { return n; }")
    run("double n = 2.5;")
    assert run("n") == "2.5"
    assert run("get()") == "2"


def test_type(session):
    run = session.value
    run("struct s { int a; };\nint size(void) { return sizeof(struct s); }")
    assert run("size()") == "4"
    run("struct s { int a, b; };")
    assert run("size()") == "8"


def test_warnings_show_the_line_of_the_earlier_cell(session):
    session.value("int first; struct s { int a; } v = {1}; int last(void) { return v.a; }")
    warning = session.run("struct s { int b; };").stderr
    assert "'last' (In[1]) cannot follow the new 'struct s': no member named 'a'" in warning
    assert "int first; struct s { int a; } v = {1}; int last(void)" in warning


def test_macro(session):
    """What is compiled already keeps the macro of its time; the next definition sees the new one."""
    run = session.value
    run("#define K 1\nint f(void) { return K; }")
    run("#undef K\n#define K 2")
    assert run("K") == "2"
    assert run("f()") in ("1", "2")
    run("int f(void) { return K; }")
    assert run("f()") == "2"


def test_static_local_starts_again(session):
    run = session.value
    run("int n(void) { static int i = 5; return i++; }\nn();")
    assert run("n()") == "6"
    run("int n(void) { static int i = 50; return i++; }")
    assert run("n()") == "50"


def test_callers_that_call_each_other(session):
    """They are compiled again in one unit, in any order."""
    run = session.value
    run("int base(int x) { return x; }")
    run("int low(int n) { return n ? 1 : base(n); }")
    run("int user(int n) { return low(n) + base(n); }")
    run("int low(int n) { return n ? user(n - 1) : base(7); }")
    run("double base(double x) { return x; }")
    assert run("user(3)") == str(7 + 0 + 1 + 2 + 3)


def test_enumerator_that_is_gone(session):
    run = session.value
    run("enum e { A, X, B };\nint f(void) { return X; }\nint g(void) { return B; }")
    changed = session.run("enum e { A, B };")
    assert changed.is_ok
    assert "'f' (In[1]) cannot follow the new 'enum e': use of undeclared identifier 'X'" in (
        changed.stderr)
    assert run("g()") == "1"
    assert "f" in session.run("f()").message


def test_stale_function_does_not_touch_what_has_changed(session):
    """Callers and pointers that reach it get an error with the reason."""
    run = session.value
    run("struct s { int a, b; };\nstruct s v = {1, 2};\nint f(void) { return v.b; }\n"
        "int g(void) { return f(); }\nint (*p)(void) = f;")
    assert session.run("struct s { int a; };").is_ok
    for call in ("g()", "p()"):
        stale = session.run(call)
        assert stale.name == "StaleFunction", stale
        assert "'f' (In[1]) could not follow the new 'struct s': no member named 'b'" in (
            stale.message)
    assert run("int f(void) { return v.a + 10; }\np() + g()") == "22"
