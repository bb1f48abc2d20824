//! A pool that chooses its algorithm by itself: by evidence from its traffic, by rules, on trial; and not over the head of
//! whoever ordered one.

mod rules;
mod worse;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aya_api::command::pools::GetPools;
use aya_api::event::{Event, Severity};
use aya_api::view::{AlgorithmView, AutoView};
use aya_tests::backend::Backend;
use aya_tests::binary;
use aya_tests::daemon::{Daemon, Setup, pool};
use aya_tests::load::{self, Load};
use aya_tests::wait;

/// Arms of which the second one is clearly better when one backend is slow.
const ARMS: &str = "arms = [\"round-robin\", \"least-connections\"], objective = \"mean\", epoch = \"1s\"";

/// A daemon before three backends.
struct Bench {
    daemon: Daemon,
    backends: [Backend; 3],
    /// Over how many connections its load comes.
    connections: usize,
}

impl Bench {
    /// Two fast backends and a slow one.
    fn new(keys: &str) -> Self {
        let slow = Backend::slow("c", Duration::from_millis(60));
        Self::of([Backend::saying("a"), Backend::saying("b"), slow], 6, keys)
    }

    fn of(backends: [Backend; 3], connections: usize, keys: &str) -> Self {
        let [a, b, c] = &backends;
        let members = [("a", a.address), ("b", b.address), ("c", c.address)];
        // Without outliers: they would ease the slow backend, and then the arms are alike.
        let keys = format!("algorithm = {{ name = \"auto\", {keys} }}\noutliers = {{ mode = \"off\" }}\n");
        Self { daemon: Setup::new(&pool(&members, &keys)).start(), backends, connections }
    }

    /// Keeps requests coming until there is something.
    fn under_load<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let load =
                    Load { requests: 10 * self.connections, connections: self.connections, fields: &[] };
                while !is_over.load(Ordering::SeqCst) {
                    load::run(self.daemon.address(), &load).expect_all_fine();
                }
            });
            // The load must end, however the look does.
            let _end = End(&is_over);
            wait::until(what, look)
        })
    }

    fn algorithm(&self) -> AlgorithmView {
        self.daemon.control.call(&GetPools).remove(0).algorithm
    }

    fn auto(&self) -> AutoView {
        self.algorithm().auto.expect("the pool chooses by itself")
    }

    /// What was decided without anybody's order.
    fn decisions(&self) -> Vec<Event> {
        let events = self.daemon.control.events().into_iter();
        events.filter(|event| event.kind == "algorithm" && event.by.as_deref() == Some("auto")).collect()
    }

    fn ayactl(&self, arguments: &[&str]) -> String {
        ayactl(&self.daemon, arguments)
    }
}

/// What `ayactl` says to a call that succeeds.
fn ayactl(daemon: &Daemon, arguments: &[&str]) -> String {
    let mut command = Command::new(binary::ayactl());
    let output = command.args(arguments).arg("--socket").arg(daemon.socket()).output();
    let output = output.expect("ayactl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_better_arm_takes_over_with_its_evidence_and_is_kept() {
    let bench = Bench::new(ARMS);
    assert_eq!(bench.auto().arm, "round-robin");

    let event = bench.under_load("the better arm steers", || bench.decisions().pop());
    assert_eq!((event.severity, event.subject.as_str()), (Severity::Info, "main"));
    assert_eq!(event.from.as_deref(), Some("round-robin"));
    assert_eq!(event.to.as_deref(), Some("least-connections"));
    for word in ["better in shadow", "mean", "ratio", "samples", "e-value"] {
        assert!(event.cause.contains(word), "{}", event.cause);
    }

    bench.under_load("the trial is over", || (!bench.auto().is_on_trial).then_some(()));
    let algorithm = bench.algorithm();
    assert_eq!((algorithm.name.as_str(), algorithm.configured.as_str()), ("least-connections", "auto"));
    assert!(!algorithm.overridden);
    let auto = bench.auto();
    assert_eq!((auto.arm.as_str(), auto.switches), ("least-connections", 1));
    assert_eq!(auto.reason, event.cause);
    assert!(auto.arms.iter().all(|arm| arm.learned && arm.value.is_some_and(|value| value > 0.0)));

    let metrics = bench.daemon.control.text("/metrics");
    assert!(metrics.contains("ayad_pool_auto_arm{pool=\"main\",arm=\"least-connections\"} 1"), "{metrics}");
    assert!(metrics.contains("ayad_pool_auto_switches_total{pool=\"main\"} 1"), "{metrics}");
    let told = bench.ayactl(&["describe", "main"]);
    assert!(told.contains("better in shadow") && told.contains("- round-robin: "), "{told}");
    assert!(bench.ayactl(&["algorithm", "list"]).contains("\nauto "));
}

#[test]
fn what_somebody_orders_stands_until_it_is_taken_back() {
    let bench = Bench::new(ARMS);
    let change = bench.daemon.control.set_algorithm("main", "random");
    assert_eq!((change.before.as_str(), change.after.as_str()), ("auto", "random"));
    assert_eq!(change.undo.as_deref(), Some("ayactl algorithm set main auto"));
    assert!(change.warnings.iter().any(|warning| warning.contains("does not choose by itself")));

    let requests = || bench.daemon.control.call(&GetPools).remove(0).traffic.requests;
    bench.under_load("many epochs' worth of requests", || {
        assert_eq!(bench.algorithm().name, "random");
        (requests() > 1_500).then_some(())
    });
    assert!(bench.auto().is_held);
    assert!(bench.algorithm().overridden);
    assert_eq!(bench.decisions(), []);

    let change = bench.daemon.control.set_algorithm("main", "auto");
    assert_eq!((change.before.as_str(), change.after.as_str()), ("random", "auto"));
    assert_eq!(bench.algorithm().name, "round-robin");
    bench.under_load("it chooses again", || bench.decisions().pop());
}

#[test]
fn an_order_stands_over_a_restart_and_so_does_that_it_was_taken_back() {
    let mut bench = Bench::new(ARMS);
    bench.daemon.control.set_algorithm("main", "random");
    bench.daemon = bench.daemon.restart("TERM");
    assert!(bench.algorithm().overridden && bench.algorithm().name == "random");

    bench.daemon.control.set_algorithm("main", "auto");
    bench.daemon = bench.daemon.restart("TERM");
    assert!(!bench.algorithm().overridden && bench.algorithm().name == "round-robin");
}

#[test]
fn a_rule_holds_while_its_level_of_traffic_does() {
    let rules = "arms = [\"round-robin\"], rules = [{ when = { rate_over = 20 }, use = \"p2c\" }]";
    let bench = Bench::new(rules);

    bench.under_load("the rule holds", || (bench.auto().rule == Some(1)).then_some(()));
    wait::until_true("it holds no more", || bench.auto().rule.is_none());

    let told: Vec<_> = bench.decisions().into_iter().map(|event| (event.to, event.cause)).collect();
    let to = |arm: &str, cause: &str| (Some(arm.to_owned()), cause.to_owned());
    assert_eq!(told, [to("p2c", "rule 1 holds"), to("round-robin", "no rule holds any more")]);
    assert_eq!(bench.algorithm().name, "round-robin");
}

#[test]
fn who_only_advises_changes_nothing() {
    let bench = Bench::new(&format!("{ARMS}, mode = \"shadow\""));

    let event = bench.under_load("there is advice", || bench.decisions().pop());
    assert!(
        event.cause.starts_with("least-connections in place of round-robin would be advised"),
        "{event:?}"
    );
    assert_eq!((event.from, event.to), (None, None));
    assert_eq!(bench.algorithm().name, "round-robin");
    assert_eq!((bench.auto().mode.as_str(), bench.auto().switches), ("shadow", 0));
}

#[test]
fn a_reload_keeps_what_was_chosen_unless_it_is_to_be_chosen_in_another_way() {
    let mut bench = Bench::new(ARMS);
    bench.under_load("the better arm steers", || bench.decisions().pop());
    let [a, b, c] = &bench.backends;
    let members = [("a", a.address), ("b", b.address), ("c", c.address)];
    let text = |keys: &str| {
        pool(
            &members,
            &format!(
                "algorithm = {{ name = \"auto\", {keys} }}\nattempts = 2\noutliers = {{ mode = \"off\" }}\n"
            ),
        )
    };

    bench.daemon.reconfigure(&text(ARMS));
    assert_eq!(bench.algorithm().name, "least-connections");
    bench.daemon.reconfigure(&text("arms = [\"random\", \"p2c\"]"));
    assert_eq!(bench.algorithm().name, "random");
    wait::until_true("the new arms are known", || bench.auto().arm == "random");
}

#[test]
fn mistakes_are_told_with_their_remedy() {
    let told = |keys: &str| {
        let keys = format!("algorithm = {{ {keys} }}\n");
        let address = "127.0.0.1:9".parse().expect("an address");
        Setup::new(&pool(&[("a", address)], &keys)).fail().log
    };
    let mistakes = [
        ("name = \"auto\", arms = [\"hot\"]", "\"hot\" is no algorithm"),
        ("name = \"auto\", arms = [\"p2c\", \"p2c\"]", "arm \"p2c\" is written twice"),
        ("name = \"auto\", arms = []", "0 arms cannot be compared"),
        ("name = \"auto\", arms = [\"p2c\"], start = \"random\"", "\"random\" is none of the arms"),
        ("name = \"auto\", quantile = 0.5", "write it behind the name of an arm"),
        ("name = \"p2c\", arms = [\"p2c\"]", "write name = \"auto\", or leave it out"),
        ("name = \"auto\", epoch = \"10ms\"", "an epoch of 10ms is not possible"),
        ("name = \"auto\", time_zone = \"CET\"", "\"CET\" is no distance from UTC"),
        ("name = \"auto\", rules = [{ when = {}, use = \"p2c\" }]", "a rule without a condition"),
        ("name = \"auto\", rules = [{ when = { time = \"7-8\" }, use = \"p2c\" }]", "is no time of the day"),
        ("name = \"auto\", rules = [{ when = { rate_over = 1 }, use = \"pc\" }]", "\"pc\" is no algorithm"),
    ];
    for (keys, words) in mistakes {
        let log = told(keys);
        assert!(log.contains(words), "{keys}: {log}");
    }
}
