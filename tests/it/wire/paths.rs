//! What the backend hears is what was routed on: the one normal form of `aya_core::path`.

use super::{Bench, Outcome, case, passed};

#[test]
fn the_backend_hears_the_normal_form_of_a_path() {
    let paths = [
        ("/", "/"),
        ("/a/b/", "/a/b/"),
        ("//", "/"),
        ("//a///b//", "/a/b/"),
        ("/./a/./b/.", "/a/b/"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/%2e%2e/b", "/b"),
        ("/a/%2E./b", "/b"),
        ("/a/.%2e/%2e/b", "/b"),
        ("/%61%7e%2D%5f", "/a~-_"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%5cb", "/a%5Cb"),
        ("/a%252fb", "/a%252fb"),
        ("/%c3%a4", "/%C3%A4"),
        ("/a;v=1/b", "/a;v=1/b"),
        ("/...", "/..."),
        ("/a..b/..c", "/a..b/..c"),
        ("/%3a:@!$&'()*+,;=", "/%3A:@!$&'()*+,;="),
        ("/{a}|\"<>^`", "/%7Ba%7D%7C%22%3C%3E%5E%60"),
        ("/a?b=/../c//d", "/a?b=/../c//d"),
        ("/a?%2f%zz\"<>", "/a?%2f%zz\"<>"),
        ("/a/../b?c/../d", "/b?c/../d"),
        ("/a??b", "/a??b"),
        ("/a?", "/a?"),
    ];
    let request = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
    let cases: Vec<_> =
        paths.iter().map(|(sent, heard)| case(*sent, request(sent), passed(request(heard)))).collect();
    Bench::new().play(&cases);
}

#[test]
fn paths_without_a_normal_form_are_refused() {
    let paths = [
        "/..",
        "/a/../..",
        "/a/../../b",
        "/%2e%2e/",
        "/%00",
        "/a%00b",
        "/%0a",
        "/%0d%0aX:1",
        "/%1f",
        "/%7f",
        "/%",
        "/%4",
        "/%zz",
        "/%u0041",
        "/a\\b",
        "/..;x/a",
        "/a/..;/b",
        "/.;x",
        "/..%3bx/a",
        "/%2e%2e;/a",
    ];
    let request = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
    let cases = paths.map(|path| case(path, request(path), Outcome::Refused(400, "bad-request")));
    Bench::new().play(&cases);
}
