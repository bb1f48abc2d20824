//! Configuration files as people meet them: every preset loads, every bad file says what is wrong.
//!
//! `profiles/` holds files for use, `profiles/invalid/` files with mistakes and, beside each, all that is
//! said about it. A new mistake worth catching is a new pair of files there, not code here.

use std::fs;
use std::path::{Path, PathBuf};

use ayad::args::{CompletionShell, completions};
use ayad::config::{self, Config, Env, Overrides};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("ayad is in a workspace").to_owned()
}

/// The files of a folder that end in `.toml`, in order of name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("the folder exists").map(|entry| entry.expect("it is readable").path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    files
}

/// Loads a text as a file of its own.
fn load(text: &str, env: &Env) -> Result<Config, config::Problems> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ayad.toml");
    fs::write(&path, text).expect("a file in it");
    config::load(&path, env)
}

fn problems(text: &str) -> Vec<String> {
    let problems = load(text, &Env::default()).expect_err("the file is wrong");
    problems.iter().map(|problem| problem.message().to_owned()).collect()
}

#[test]
fn every_preset_loads_and_is_described() {
    let files = files(&root().join("profiles"));
    assert!(files.len() >= 5);

    for file in files {
        let config = config::load(&file, &Env::default()).unwrap_or_else(|problems| panic!("{problems}"));

        let text = config::describe(&config);
        assert!(text.starts_with("ok: "), "{text}");
        for name in config.routes.iter().map(|route| &route.name) {
            assert!(text.contains(name.as_str()), "{name} is missing from {text}");
        }
        assert_eq!(config::describe_json(&config)["routes"].as_array().unwrap().len(), config.routes.len());
    }
}

#[test]
fn every_preset_says_for_whom_it_is() {
    for file in files(&root().join("profiles")) {
        let text = fs::read_to_string(&file).unwrap();
        for word in ["# For whom:", "# Trades:", "# Watch:"] {
            assert!(text.contains(word), "{} lacks {word}", file.display());
        }
    }
}

#[test]
fn every_bad_file_says_exactly_what_is_wrong() {
    let folder = root().join("profiles/invalid");
    let prefix = format!("{}/", folder.display());
    let files = files(&folder);
    assert!(files.len() >= 10);

    for file in files {
        let problems = config::load(&file, &Env::default()).expect_err("the file is wrong");

        let said = problems.to_string().replace(&prefix, "");
        let expected = fs::read_to_string(file.with_extension("expected")).unwrap();
        assert_eq!(said.trim(), expected.trim(), "\n--- {} says\n{said}\n", file.display());
        let drawn = problems.render(false, 100);
        for problem in problems.iter() {
            let start: String = problem.message().split_whitespace().take(3).collect::<Vec<_>>().join(" ");
            assert!(drawn.contains(&start), "{start} is missing from {drawn}");
        }
    }
}

#[test]
fn ten_mistakes_are_ten_problems() {
    let file = root().join("profiles/invalid/ten-mistakes.toml");

    let problems = config::load(&file, &Env::default()).unwrap_err();

    assert_eq!(problems.len(), 10, "{problems}");
    assert!(problems.to_string().ends_with("ten-mistakes.toml; nothing was changed"));
    assert_eq!(problems.to_json()["problems"].as_array().unwrap().len(), 10);
}

#[test]
fn three_lines_are_enough_and_mean_main() {
    let text = "aya = 1\nlisten = \"127.0.0.1:0\"\nbackends = [\"127.0.0.1:9001\", \"127.0.0.1:9002\"]\n";

    let config = load(text, &Env::default()).unwrap();

    assert_eq!(config.listeners[0].name, "main");
    assert_eq!(config.pools[0].name, "main");
    assert_eq!(config.pools[0].backends.len(), 2);
    assert_eq!(config.pools[0].backends[1].name, "127.0.0.1:9002");
    assert_eq!((config.routes[0].name.as_str(), config.routes[0].pool), ("main", 0));
    assert!(config.pools[0].check.is_some() && config.pools[0].breaker.is_none());
    assert!(config.pools[0].origin.0.ends_with("ayad.toml:3"));
}

#[test]
fn flags_mean_the_same_as_the_shorthand() {
    let listen = ["127.0.0.1:0".to_owned()];
    let backends = ["127.0.0.1:9001".to_owned(), "127.0.0.1:9002".to_owned()];

    let control = Path::new("/tmp/c.sock");
    let config = config::from_flags(&listen, &backends, Some(control), &Env::default()).unwrap();

    assert_eq!(config.file, None);
    assert_eq!(config.daemon.control, control);
    assert_eq!((config.listeners[0].name.as_str(), config.pools[0].name.as_str()), ("main", "main"));
    assert_eq!(config.pools[0].backends.len(), 2);
}

#[test]
fn wrong_flags_are_shown_where_they_were_typed() {
    let listen = ["127.0.0.1:0".to_owned()];
    let backends = ["http://a:1".to_owned(), "b".to_owned()];

    let problems = config::from_flags(&listen, &backends, None, &Env::default()).unwrap_err();

    assert_eq!(problems.len(), 2);
    assert!(problems.to_string().starts_with("command line:1:37: "), "{problems}");
    assert!(problems.render(false, 100).contains("ayad --listen 127.0.0.1:0 --backend http://a:1"));
}

#[test]
fn flags_go_before_the_file_and_the_file_before_defaults() {
    let text = "aya = 1\nlisten = \"127.0.0.1:0\"\nbackends = [\"127.0.0.1:9001\"]\n\
                [daemon]\nworkers = 3\nstate_dir = \"/from/file\"\n";
    let overrides = Overrides { workers: Some(2), ..Overrides::default() };
    let env = Env { xdg_runtime_dir: Some("/run/user/7".into()), cores: 8, overrides, ..Env::default() };

    let daemon = load(text, &env).unwrap().daemon;

    assert_eq!(daemon.workers, 2);
    assert_eq!(daemon.state_dir, Path::new("/from/file"));
    assert_eq!(daemon.control, Path::new("/run/user/7/ayad.sock"));
}

#[test]
fn a_backend_that_does_not_resolve_is_named_with_place_and_remedy() {
    let text = "aya = 1\nlisten = \"127.0.0.1:0\"\n\
                backends = [{ name = \"web-1\", address = \"no-such-host.invalid:80\" }]\n";

    let said = load(text, &Env::default()).unwrap_err().to_string();

    assert!(said.contains(":3:41: backend \"web-1\" of pool \"main\""), "{said}");
    assert!(said.contains("write an IP address"), "{said}");
}

#[test]
fn retries_and_hedges_are_what_was_written_and_else_as_they_were() {
    let load = |pool: &str| {
        let text = format!(
            "aya = 1\nlisten = \"127.0.0.1:0\"\n[pool.a]\nbackends = [\"127.0.0.1:1\"]\n{pool}\n\
             [route.a]\npool = \"a\"\n"
        );
        load(&text, &Env::default()).unwrap_or_else(|problems| panic!("{problems}"))
    };
    let words = |pool: &str| {
        let described = config::describe_json(&load(pool));
        (described["pools"][0]["retry"].to_string(), described["pools"][0]["hedge"].to_string())
    };

    let usual = "\"connect-failure (3 attempts, 20% + 3 at once)\"";
    assert_eq!(words(""), (usual.into(), "null".into()));
    assert_eq!(words("retry = {}").0, usual);
    assert_eq!(words("attempts = 2").0, usual.replace('3', "2").replace("+ 2", "+ 3"));
    assert_eq!(words("retry = { mode = \"off\" }").0, "\"never\"");
    let (retry, hedge) = words(
        "retry = { attempts = 4, on = [\"reset\", \"5xx\", 429], budget = \"12.5%\", budget_least = 0 }\n\
         hedge = { after = \"p99\" }",
    );
    assert_eq!(retry, "\"reset, 429, 500-599 (4 attempts, 12.5% + 0 at once)\"");
    assert_eq!(hedge, "\"p99, at least 10ms\"");
    assert_eq!(words("hedge = { mode = \"off\" }").1, "null");
    let text = config::describe(&load("hedge = {}\nretry = { on = [\"timeout\"], body = \"0B\" }"));
    assert!(
        text.contains("retry timeout (3 attempts, 20% + 3 at once), hedge after p95, at least 10ms"),
        "{text}"
    );
}

#[test]
fn a_mistake_in_one_place_is_not_repeated_in_another() {
    let text = "aya = 1\nlisten = \"127.0.0.1:0\"\n\
                [pool.a]\nbackends = [\"bad\"]\n[pool.b]\nbackend = [\"127.0.0.1:1\"]\n\
                [route.a]\npool = \"a\"\nmatch = { host = \"**\" }\n[route.b]\npool = \"b\"\n";

    let problems = problems(text);

    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(problems[0].starts_with("pool.a.backends[0]: "));
    assert_eq!(problems[1], "pool \"b\" has no backends");
    assert_eq!(problems[2], "unknown key \"backend\" in pool.b");
    assert!(problems[3].starts_with("route.a.match.host: "));
}

#[test]
fn included_files_are_one_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("ayad.toml", "aya = 1\ninclude = [\"*.part.toml\"]\nlisten = \"127.0.0.1:0\"\n");
    write("a.part.toml", "[pool.a]\nbackends = [\"127.0.0.1:1\"]\n[route.a]\npool = \"b\"\n");
    write("b.part.toml", "[pool.b]\nbackends = [\"127.0.0.1:2\"]\n");

    let config = config::load(&folder.path().join("ayad.toml"), &Env::default()).unwrap();

    assert_eq!(config.pools.len(), 2);
    assert_eq!(config.pools[config.routes[0].pool].name, "b");
    assert!(config.pools[1].origin.0.ends_with("b.part.toml:1"));
}

#[test]
fn text_that_is_no_configuration_is_refused_without_a_panic() {
    let deep = format!("a = {}{}", "[".repeat(5_000), "]".repeat(5_000));
    for text in [
        "",
        "\u{feff}",
        "aya",
        "= 1",
        "[",
        "[[listen]]",
        "listen.a.b.c = 1",
        "\"\" = 1",
        "aya = 1e999",
        &deep,
    ] {
        assert!(load(text, &Env::default()).is_err(), "{text:?}");
    }
}

#[test]
fn a_file_cut_off_or_damaged_anywhere_never_panics() {
    let folder = root().join("profiles");
    let folders = [folder.join("invalid"), folder];
    for file in folders.iter().flat_map(|folder| files(folder)) {
        let text = fs::read_to_string(&file).unwrap();
        let places: Vec<_> = text.char_indices().map(|(at, _)| at).step_by(37).collect();
        for at in places {
            let damaged = [text[..at].to_owned(), format!("{}]{}", &text[..at], &text[at..])];
            for text in damaged {
                if let Err(problems) = load(&text, &Env::default()) {
                    assert!(problems.render(false, 80).contains("nothing was changed"));
                    assert!(problems.to_string().lines().count() == problems.len() + 1, "{problems}");
                }
            }
        }
    }
}

#[test]
fn every_key_in_the_schema_is_explained_and_every_number_bounded() {
    fn walk(schema: &Value, path: &str) {
        if let Some(properties) = schema["properties"].as_object() {
            for (key, property) in properties {
                assert!(property["description"].is_string(), "{path}.{key} is not explained");
            }
        }
        if schema["type"] == "integer" {
            assert!(schema["minimum"].is_number() && schema["maximum"].is_number(), "{path} is unbounded");
        }
        assert_ne!(schema["type"], "null", "{path}: TOML has no null");
        if schema["type"] == "object" && schema["properties"].is_object() {
            assert_eq!(schema["additionalProperties"], false, "{path} takes unknown keys");
        }
        let children = schema.as_object().into_iter().flatten();
        children.for_each(|(key, value)| walk(value, &format!("{path}/{key}")));
        let items = schema.as_array().into_iter().flatten();
        items.for_each(|value| walk(value, path));
    }

    let schema = config::schema();
    walk(&schema, "");
    for key in ["aya", "include", "listen", "backends", "daemon", "pool", "route"] {
        assert!(schema["properties"][key].is_object(), "{key} is missing");
    }
    assert!(schema["properties"].get("helth").is_none());
}

#[test]
fn committed_completions_are_those_of_the_command_line() {
    let shells =
        [(CompletionShell::Bash, "bash"), (CompletionShell::Zsh, "zsh"), (CompletionShell::Fish, "fish")];
    for (shell, end) in shells {
        let committed = fs::read(root().join("completions").join(format!("ayad.{end}"))).unwrap();
        assert!(completions(shell) == committed, "run: ayad completion {end} > completions/ayad.{end}");
    }
}

/// Writes a configuration beside a certificate for `a.test` and a key that does not fit it.
fn with_certificate(text: &str) -> (tempfile::TempDir, Result<Config, config::Problems>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).expect("a certificate");
    let other = rcgen::KeyPair::generate().expect("a key");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file in it");
    write("web.pem", &made.cert.pem());
    write("web.key", &made.signing_key.serialize_pem());
    write("other.key", &other.serialize_pem());
    write("ayad.toml", text);
    let loaded = config::load(&folder.path().join("ayad.toml"), &Env::default());
    (folder, loaded)
}

const POOL: &str = "[pool.main]\nbackends = [\"127.0.0.1:9\"]\n";

#[test]
fn a_key_that_does_not_fit_is_told_where_it_is_written() {
    let text = format!(
        "aya = 1\n[listen.web]\nbind = \"127.0.0.1:0\"\ntls = {{ certificates = [\n  {{ cert = \"web.pem\",\n  \
         key = \"other.key\" }}] }}\n{POOL}[route.main]\npool = \"main\"\n"
    );

    let (_folder, loaded) = with_certificate(&text);

    let problems = loaded.expect_err("the key does not fit");
    let said = problems.to_string();
    assert!(
        said.contains("ayad.toml:6:") && said.contains("the key does not belong to the certificate"),
        "{said}"
    );
}

#[test]
fn what_tls_cannot_do_is_a_warning() {
    let text = format!(
        "aya = 1\n[listen.web]\nbind = \"127.0.0.1:0\"\ntls = {{ certificates = [{{ cert = \"web.pem\", key = \"web.key\" }}], \
         acme = {{ directory = \"https://acme.test/\", names = [\"b.test\"] }} }}\n{POOL}\
         [route.a]\nmatch = {{ host = \"a.test\" }}\npool = \"main\"\n[route.b]\nmatch = {{ host = \"b.test\" }}\npool = \"main\"\n\
         [route.c]\nmatch = {{ host = \"c.test\" }}\npool = \"main\"\n[route.d]\nmatch = {{ host = \"*.d.test\" }}\npool = \"main\"\n\
         [route.t]\nmatch = {{ host = \"*.test\" }}\npool = \"main\"\n"
    );

    let (_folder, loaded) = with_certificate(&text);

    let config = loaded.expect("it is valid");
    let warnings: Vec<_> = config.warnings.iter().map(|warning| warning.message().to_owned()).collect();
    assert_eq!(
        warnings,
        [
            "http-01 is answered by listeners without TLS, and there is none",
            "no certificate of listener \"web\" covers \"c.test\", the host of route \"c\"",
            "no certificate of listener \"web\" covers \"*.d.test\", the host of route \"d\"",
        ]
    );
    assert!(config::describe(&config).contains("\nwarnings\n"));
    assert_eq!(config::describe_json(&config)["warnings"].as_array().unwrap().len(), 3);
}

#[test]
fn certificates_are_described_by_name_file_and_end() {
    let text = format!(
        "aya = 1\n[listen.web]\nbind = \"127.0.0.1:0\"\ntls = {{ certificates = [{{ cert = \"web.pem\", key = \"web.key\" }}], \
         acme = {{ directory = \"https://acme.test/\", names = [\"b.test\"], challenge = \"tls-alpn-01\" }} }}\n{POOL}\
         [route.main]\npool = \"main\"\n"
    );

    let (folder, loaded) = with_certificate(&text);

    let config = loaded.expect("it is valid");
    let file = folder.path().join("web.pem").display().to_string();
    let described = config::describe(&config);
    let line = |name: &str| {
        described.lines().find(|line| line.starts_with(&format!("  web  {name} "))).map(str::to_owned)
    };
    let (by_file, by_acme) = (line("a.test").expect("it is told"), line("b.test").expect("it is told"));
    // What rcgen makes ends in the year 4096.
    assert!(by_file.contains(&file) && by_file.contains("until 4096-01-01 ("), "{described}");
    assert!(by_file.ends_with("also for other names"), "{described}");
    assert!(by_acme.contains("acme https://acme.test/"), "{described}");
    let json = config::describe_json(&config);
    let [by_file, by_acme] = json["certificates"].as_array().expect("a list").as_slice() else {
        panic!("{json}")
    };
    assert_eq!(by_file["names"], serde_json::json!(["a.test"]));
    assert_eq!(by_file["not_after_ms"], 67_090_118_400_000_i64);
    assert_eq!((&by_acme["listener"], &by_acme["days_left"]), (&"web".into(), &serde_json::Value::Null));
}

#[test]
fn a_configuration_of_tls_means_what_its_defaults_say() {
    let text = format!(
        "aya = 1\n[listen.web]\nbind = \"127.0.0.1:0\"\ntls = {{ certificates = [{{ cert = \"web.pem\", key = \"web.key\" }}] }}\n\
         {POOL}tls = {{ ca = \"web.pem\" }}\n[route.main]\npool = \"main\"\n"
    );

    let (folder, loaded) = with_certificate(&text);

    let config = loaded.expect("it is valid");
    let tls = config.listeners[0].tls.as_ref().expect("it has TLS");
    assert_eq!(tls.certificates[0].cert, folder.path().join("web.pem"));
    assert!(tls.certificates[0].is_default && !tls.sni_strict && tls.clients.is_none());
    assert_eq!((tls.alpn.len(), tls.identity_prefix.as_str()), (2, "x-client-cert"));
    let pool = config.pools[0].tls.as_ref().expect("it has TLS");
    assert!(pool.verify && pool.server_name.is_none());
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}
