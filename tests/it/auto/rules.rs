//! Rules for some requests: another algorithm picks for those, and the others go on as before.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use aya_api::change::ChangeOptions;
use aya_api::command::explain::{ExplainPick, GetRequests};
use aya_api::view::AutoRuleView;
use aya_tests::backend::Backend;
use aya_tests::client::{ask, request};
use aya_tests::daemon::{Daemon, Setup};
use aya_tests::wait;

/// Three backends behind two routes, and rules.
struct Ruled {
    daemon: Daemon,
    _backends: [Backend; 3],
}

fn text(members: &[SocketAddr], rules: &str) -> String {
    let members: Vec<_> = members.iter().map(|address| format!("\"{address}\"")).collect();
    format!(
        "[listen.main]\nbind = \"127.0.0.1:0\"\n\
         [pool.main]\nbackends = [{}]\noutliers = {{ mode = \"off\" }}\nhealth = {{ kind = \"none\" }}\n\
         algorithm = {{ name = \"auto\", arms = [\"round-robin\"], rules = [{rules}] }}\n\
         [pool.other]\nbackends = [\"127.0.0.1:9\"]\n\
         [route.shop]\npool = \"main\"\n\
         [route.reports]\nmatch = {{ path = \"/reports/*\" }}\npool = \"main\"\n\
         [route.other]\nmatch = {{ path = \"/other/*\" }}\npool = \"other\"\n",
        members.join(", ")
    )
}

impl Ruled {
    fn new(rules: &str) -> Self {
        let backends = ["a", "b", "c"].map(Backend::saying);
        let members = backends.each_ref().map(|backend| backend.address);
        let setup = Setup::new(&text(&members, rules)).daemon("explain_sample = \"100%\"");
        Self { daemon: setup.start(), _backends: backends }
    }

    /// Who answered six such requests.
    fn answered(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> BTreeSet<String> {
        let ask = |_| ask(self.daemon.address(), request(method, path, fields)).text();
        (0..6).map(ask).collect()
    }

    fn rules(&self) -> Vec<AutoRuleView> {
        let text = self.daemon.control.text("/v1/pools/main");
        let pool: aya_api::view::PoolView = serde_json::from_str(&text).expect("a pool");
        pool.algorithm.auto.expect("it chooses by itself").rules
    }

    fn ayactl(&self, arguments: &[&str]) -> String {
        super::ayactl(&self.daemon, arguments)
    }
}

const RULES: &str = "{ when = { route = \"reports\" }, use = \"first\" }, \
    { when = { match = { method = [\"PUT\", \"POST\"], path = \"/cart/*\", header = { x-plan = \"gold*\" } } }, use = \"first\" }";

#[test]
fn some_requests_are_picked_for_by_another_algorithm_and_it_is_told_which() {
    let ruled = Ruled::new(RULES);
    let gold = [("x-plan", "gold-1"), ("content-length", "0")];
    let (first, all) = (BTreeSet::from(["a".to_owned()]), ["a", "b", "c"].map(str::to_owned).into());

    assert_eq!(ruled.answered("GET", "/", &[]), all);
    assert_eq!(ruled.answered("GET", "/reports/1", &[]), first);
    assert_eq!(ruled.answered("POST", "/cart/7", &gold), first);
    assert_eq!(ruled.answered("POST", "/cart/7", &gold[1..]), all);
    assert_eq!(ruled.answered("GET", "/cart/7", &gold), all);

    let rules = ruled.rules();
    let requests: Vec<_> = rules.iter().map(|rule| (rule.rule, rule.holds, rule.requests)).collect();
    assert_eq!(requests, [(1, true, Some(6)), (2, true, Some(6))]);
    assert_eq!((rules[0].when.as_str(), rules[0].arm.as_str()), ("route reports", "first"));
    assert_eq!(rules[1].when, "method PUT or POST, path /cart/*, header x-plan: gold*");

    let kept = ruled.daemon.control.call(&GetRequests::default());
    let of = |words: &str| {
        let found = kept.iter().find(|kept| kept.request.contains(words)).expect("it is kept");
        (found.rule, found.algorithm.as_deref().unwrap_or_default())
    };
    assert_eq!((of("/reports/1"), of("POST test/cart/7").1), ((Some(1), "first"), "round-robin"));
    assert!(kept.iter().any(|kept| kept.request.starts_with("POST") && kept.rule == Some(2)));
    let id = &kept.iter().find(|kept| kept.rule == Some(1)).expect("it is kept").id;
    let told = ruled.ayactl(&["explain", "request", id]);
    assert!(told.contains("Algorithm: first, by rule 1 (score:"), "{told}");

    let told = ruled.ayactl(&["describe", "main"]);
    assert!(told.contains("rule 1, route reports: first, in force, 6 requests"), "{told}");
    let told = ruled.ayactl(&["explain", "pick", "main"]);
    assert!(told.contains("Algorithm: round-robin\n"), "{told}");
    assert!(told.contains("Others:    first, by rule 1 (route reports)"), "{told}");
    let told = ruled.ayactl(&["explain", "pick", "main", "--rule", "1"]);
    assert!(told.contains("Algorithm: first, by rule 1\n"), "{told}");
    let unknown = ExplainPick { pool: "main".to_owned(), key: None, rule: Some(3) };
    let refused = ruled.daemon.control.refused(&unknown, &ChangeOptions::default());
    assert!(
        refused.message.contains("no rule 3") && refused.hint.contains("ayactl describe main"),
        "{refused:?}"
    );
}

#[test]
fn what_somebody_orders_is_for_these_requests_too() {
    let ruled = Ruled::new(RULES);
    let first = BTreeSet::from(["a".to_owned()]);
    assert_eq!(ruled.answered("GET", "/reports/1", &[]), first);

    ruled.daemon.control.set_algorithm("main", "round-robin");
    assert_eq!(ruled.answered("GET", "/reports/1", &[]).len(), 3);
    wait::until_true("it waits", || ruled.rules().iter().all(|rule| !rule.holds));
    ruled.daemon.control.set_algorithm("main", "auto");
    wait::until_true("the rule is in force again", || ruled.answered("GET", "/reports/1", &[]) == first);
}

#[test]
fn a_class_may_depend_on_traffic_and_each_change_is_an_event() {
    let ruled = Ruled::new("{ when = { route = \"reports\", rate_over = 20 }, use = \"first\" }");
    assert_eq!(ruled.answered("GET", "/reports/1", &[]).len(), 3);

    let events = || {
        let events = ruled.daemon.control.events().into_iter();
        events.filter(|event| event.kind == "algorithm").map(|event| event.cause).collect::<Vec<_>>()
    };
    wait::until("the rule holds", || {
        ruled.answered("GET", "/", &[]);
        (events().len() == 1).then_some(())
    });
    wait::until_true("it holds no more", || events().len() == 2);
    let words = "for its requests (over 20 requests/s, route reports)";
    let told = [
        format!("rule 1 holds: first picks {words}"),
        format!("rule 1 holds no more: first picks no more {words}"),
    ];
    assert_eq!(events(), told);
    assert_eq!(ruled.answered("GET", "/reports/1", &[]).len(), 3);
}

#[test]
fn mistakes_in_classes_are_told_with_their_remedy() {
    let mistakes = [
        ("route = \"report\"", "no route is named \"report\"", "did you mean \"reports\"?"),
        (
            "route = [\"shop\", \"other\"]",
            "route \"other\" goes to pool \"other\"",
            "name a route with pool = \"main\"",
        ),
        ("route = []", "a rule for no route is for no request", "leave \"route\" out for all"),
        ("match = {}", "a rule without a condition would always hold", "route or match"),
        ("match = { path = \"reports\" }", "\"reports\" is no path to match", "/"),
        ("match = { body = { a = \"b\" } }", "a rule cannot look into the body", "match the body in a route"),
        ("match = { header = { \"a b\" = \"c\" } }", "is no name of a header", "e.g. \"x-plan\""),
    ];
    let address = "127.0.0.1:9".parse().expect("an address");
    for (when, what, help) in mistakes {
        let rules = format!("{{ when = {{ {when} }}, use = \"first\" }}");
        let log = Setup::new(&text(&[address], &rules)).fail().log;
        assert!(log.contains(what) && log.contains(help), "{when}: {log}");
    }
}
