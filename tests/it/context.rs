//! Routing by circumstances: country, network, cookie, query, fields of the body.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use aya_api::command::routes::GetRoutes;
use aya_tests::backend::Backend;
use aya_tests::client::{Client, ask, get, request};
use aya_tests::daemon::{Daemon, Setup};
use aya_tests::{h2, mmdb, wait};

/// Who speaks for clients, so that tests can come from anywhere.
const LISTEN: &str = "[listen.main]\nbind = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1\"]\n";

/// A route for each match, with a pool of the same name whose backend echoes.
fn routes(backend: &Backend, matches: &[(&str, &str)]) -> String {
    let each = matches.iter().map(|(name, keys)| {
        format!(
            "[pool.{name}]\nhealth = {{ kind = \"none\" }}\nbackends = [\"{}\"]\n\
             [route.{name}]\npool = \"{name}\"\nmatch = {{ {keys} }}\n",
            backend.address
        )
    });
    [LISTEN.to_owned()].into_iter().chain(each).collect()
}

/// How many requests each route matched, by name.
fn matched(daemon: &Daemon, route: &str) -> u64 {
    let routes = daemon.control.call(&GetRoutes);
    routes.iter().find(|r| r.name == route).expect("the route is listed").requests
}

/// Asserts that what `act` sends goes by this route.
fn goes_by<T>(daemon: &Daemon, route: &str, act: impl FnOnce() -> T) -> T {
    let before = matched(daemon, route);
    let answer = act();
    assert_eq!(matched(daemon, route), before + 1, "{route}");
    answer
}

fn post(body: &str, fields: &[(&str, &str)]) -> String {
    let length = body.len().to_string();
    let mut all = vec![("host", "x"), ("content-type", "application/json"), ("content-length", &length)];
    all.extend_from_slice(fields);
    request("POST", "/", &all) + body
}

fn database(folder: &Path, country: &str) -> PathBuf {
    let path = folder.join("country.mmdb");
    let fresh = folder.join("fresh.mmdb");
    let networks = [(Ipv4Addr::new(192, 0, 2, 0), 24, country), (Ipv4Addr::new(198, 51, 100, 0), 24, "AT")];
    std::fs::write(&fresh, mmdb::countries(&networks)).expect("the folder can be written");
    std::fs::rename(&fresh, &path).expect("a file can be renamed");
    path
}

fn with_database(text: &str, path: &Path) -> Setup {
    Setup::new(text).daemon(&format!("geo = {{ country = \"{}\" }}\n", path.display()))
}

#[test]
fn clients_are_told_apart_by_where_they_come_from_and_what_they_ask() {
    let (backend, folder) = (Backend::echo(), tempfile::tempdir().unwrap());
    let path = database(folder.path(), "DE");
    let text = routes(
        &backend,
        &[
            ("rest", ""),
            ("dach", "country = [\"DE\", \"at\"]"),
            ("inner", "network = [\"10.0.0.0/8\", \"fd00::/8\"]"),
            ("lab", "network = \"10.1.0.0/16\""),
            ("gold", "cookie = { plan = \"gold*\" }"),
            ("beta", "query = { beta = \"1\" }"),
            ("both", "query = { beta = \"1\" }, cookie = { plan = \"gold\" }"),
        ],
    );
    let daemon = with_database(&text, &path).start();

    for (client, path, cookie, route) in [
        ("203.0.113.9", "/", "", "rest"),
        ("192.0.2.7", "/", "", "dach"),
        ("198.51.100.1", "/", "", "dach"),
        ("10.9.9.9", "/", "", "inner"),
        ("fd00::1", "/", "", "inner"),
        ("10.1.9.9", "/", "", "lab"),
        ("203.0.113.9", "/", "a=b; plan=gold-2", "gold"),
        ("203.0.113.9", "/", "plan=iron", "rest"),
        ("203.0.113.9", "/?a&beta=%31", "", "beta"),
        ("203.0.113.9", "/?beta=12", "", "rest"),
        ("192.0.2.7", "/?beta=1", "plan=gold", "both"),
    ] {
        let fields = [("host", "x"), ("x-forwarded-for", client), ("cookie", cookie)];
        let answer = goes_by(&daemon, route, || ask(daemon.address(), request("GET", path, &fields)));
        assert_eq!(answer.status, 200);
    }
    let listed = daemon.control.call(&GetRoutes);
    let dach = listed.iter().find(|route| route.name == "dach").expect("it is listed");
    assert_eq!(dach.conditions, ["country=DE|AT"]);
}

#[test]
fn a_field_of_the_body_decides_and_the_body_goes_on_whole() {
    let backend = Backend::echo();
    let text = routes(
        &backend,
        &[
            ("rest", ""),
            ("gpt", "body = { model = \"gpt-*\" }"),
            ("own", "body = { model = \"gpt-own\", \"user.plan\" = \"gold\" }"),
        ],
    );
    let daemon = Daemon::start(&text);
    let long = format!("{{\"x\":\"{}\",\"model\":\"gpt-4\"}}", "y".repeat(70_000));
    let near = format!("{{\"x\":\"{}\",\"model\":\"gpt-4\"}}", "y".repeat(60_000));
    let deep = format!("{{\"model\":\"gpt-4\",\"x\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));

    for (body, route) in [
        ("{\"model\":\"gpt-4\"}", "gpt"),
        ("{\"model\":\"gpt-own\",\"user\":{\"plan\":\"gold\"}}", "own"),
        ("{\"model\":\"gpt-own\",\"user\":\"gold\"}", "gpt"),
        ("{\"model\":\"other\"}", "rest"),
        ("{\"model\":\"gpt-4\",\"model\":\"other\"}", "rest"),
        ("model=gpt-4", "rest"),
        ("", "rest"),
        (&near, "gpt"),
        (&long, "rest"),
        (&deep, "rest"),
    ] {
        let answer = goes_by(&daemon, route, || ask(daemon.address(), post(body, &[])));
        assert_eq!(answer.status, 200);
        assert!(answer.text().ends_with(body), "{route}: {} bytes", answer.text().len());
        if !body.is_empty() {
            let address = daemon.address();
            let answer = h2::run(async {
                let client = h2::Client::connect(address).await;
                client.ask(h2::request("POST", "/"), body.as_bytes()).await
            });
            assert_eq!(answer.status, 200);
            assert!(answer.text().ends_with(body), "{route} over HTTP/2: {} bytes", answer.text().len());
        }
    }
    assert_eq!(matched(&daemon, "own"), 2);
    assert_eq!(matched(&daemon, "gpt"), 6);
}

#[test]
fn a_body_may_come_in_drops_in_chunks_and_after_continue() {
    let backend = Backend::echo();
    let daemon = Daemon::start(&routes(&backend, &[("rest", ""), ("gpt", "body = { model = \"gpt-*\" }")]));
    let body = "{\"model\":\"gpt-4\"}";

    let mut client = Client::connect(daemon.address());
    goes_by(&daemon, "gpt", || {
        let whole = post(body, &[]);
        whole.as_bytes().chunks(1).for_each(|drop| client.send(drop));
        assert!(client.answer().text().ends_with(body));
    });
    goes_by(&daemon, "gpt", || {
        let head = request("POST", "/", &[("host", "x"), ("transfer-encoding", "chunked")]);
        client.send(head + "5\r\n{\"mod\r\n");
        client.send("c\r\nel\":\"gpt-4\"}\r\n0\r\n\r\n");
        assert!(client.answer().text().ends_with(body));
    });
    goes_by(&daemon, "gpt", || {
        let length = body.len().to_string();
        let fields = [("host", "x"), ("content-length", length.as_str()), ("expect", "100-continue")];
        client.send(request("POST", "/", &fields));
        assert!(client.head().line.contains("100"));
        client.send(body);
        let answer = client.answer();
        assert_eq!(answer.status, 200);
        assert!(answer.text().ends_with(body) && !answer.text().to_lowercase().contains("expect:"));
    });
    // A long body in chunks does not match, and nothing of it is lost.
    goes_by(&daemon, "rest", || {
        let head = request("POST", "/", &[("host", "x"), ("transfer-encoding", "chunked")]);
        let part = "z".repeat(50_000);
        client.send(head);
        for _ in 0..4 {
            client.send(format!("{:x}\r\n{part}\r\n", part.len()));
        }
        client.send("0\r\n\r\n");
        assert!(client.answer().text().ends_with(&part.repeat(4)));
    });
}

#[test]
fn a_database_that_is_damaged_or_missing_is_told_at_the_start() {
    let (backend, folder) = (Backend::saying("ok"), tempfile::tempdir().unwrap());
    let text = routes(&backend, &[("rest", ""), ("de", "country = \"DE\"")]);
    let path = database(folder.path(), "DE");
    let whole = std::fs::read(&path).unwrap();
    for damage in [&whole[..whole.len() - 9], &whole[..whole.len() / 2], b"no database", b""] {
        std::fs::write(&path, damage).unwrap();
        let log = with_database(&text, &path).fail().log;
        assert!(log.contains("country.mmdb") && log.contains("put a good database there"), "{log}");
    }
    std::fs::remove_file(&path).unwrap();
    let log = with_database(&text, &path).fail().log;
    assert!(log.contains("No such file"), "{log}");
    let log = Setup::new(&text).fail().log;
    assert!(log.contains("no database says which country"), "{log}");
}

#[test]
fn a_database_that_changes_is_read_and_a_damaged_one_leaves_the_last() {
    let (backend, folder) = (Backend::saying("ok"), tempfile::tempdir().unwrap());
    let path = database(folder.path(), "DE");
    let text = routes(&backend, &[("rest", ""), ("de", "country = \"DE\"")]);
    let daemon = with_database(&text, &path).start();
    let told =
        |words: &str| daemon.control.events().iter().any(|e| e.kind == "geo" && e.cause.contains(words));
    let from_there = || {
        let fields = [("host", "x"), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(ask(daemon.address(), request("GET", "/", &fields)).status, 200);
    };

    goes_by(&daemon, "de", from_there);
    std::fs::write(&path, "no database").unwrap();
    wait::until_true("the damage is told", || told("the database read before stays in force"));
    let geo = || daemon.control.status().daemon.geo.expect("it has a database");
    assert!(geo().path.ends_with("country.mmdb") && geo().trouble.is_some_and(|why| why.contains("damaged")));
    goes_by(&daemon, "de", from_there);
    std::fs::remove_file(&path).unwrap();
    wait::until_true("that it is gone is told", || told("No such file"));
    assert!(geo().trouble.is_some_and(|why| why.contains("No such file")));
    database(folder.path(), "FR");
    wait::until_true("the change is told", || told("has changed and is in force"));
    assert_eq!(geo().trouble, None);
    goes_by(&daemon, "rest", from_there);
    assert_eq!(get(daemon.address(), "/").status, 200);
}
