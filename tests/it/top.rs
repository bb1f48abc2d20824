//! The dashboard in a real terminal, before a real daemon.

use aya_api::axis::Admin;
use aya_tests::backend::Backend;
use aya_tests::binary;
use aya_tests::daemon::Daemon;
use aya_tests::terminal::Terminal;

const USUAL: (u16, u16) = (100, 24);

/// A daemon with two backends, and the dashboard on it.
struct Scene {
    daemon: Daemon,
    terminal: Terminal,
    _backends: [Backend; 2],
}

fn scene() -> Scene {
    let backends = ["web-1", "web-2"].map(Backend::saying);
    let members = [("web-1", backends[0].address), ("web-2", backends[1].address)];
    let daemon = Daemon::balancing(&members, "");
    let terminal = top(&daemon, &[], USUAL);
    terminal.expect("web-2");
    Scene { daemon, terminal, _backends: backends }
}

fn top(daemon: &Daemon, more: &[&str], size: (u16, u16)) -> Terminal {
    let socket = daemon.socket().to_str().expect("the path is text");
    let arguments = [&["--socket", socket, "top"], more].concat();
    Terminal::run(&binary::ayactl(), &arguments, size)
}

#[test]
fn the_first_frame_shows_the_backends_and_q_leaves_nothing_behind() {
    let mut scene = scene();

    for word in ["main", "web-1", "hot-cold", "ready"] {
        scene.terminal.expect(word);
    }
    assert!(scene.terminal.is_taken_over());
    scene.terminal.press("q");

    assert!(scene.terminal.expect_end());
    scene.terminal.expect_restored();
}

#[test]
fn it_survives_a_terminal_of_twenty_by_five() {
    let mut scene = scene();

    scene.terminal.resize((20, 5));
    scene.terminal.expect("too small");
    scene.terminal.resize(USUAL);
    scene.terminal.expect("web-2");
    scene.terminal.press("q");

    assert!(scene.terminal.expect_end());
    scene.terminal.expect_restored();
}

#[test]
fn a_terminal_that_is_small_only_for_a_moment_is_drawn_anew() {
    let scene = scene();

    // The terminal forgets what does not fit, and the program may see only the last of the two sizes.
    scene.terminal.resize((20, 5));
    scene.terminal.resize(USUAL);

    scene.terminal.expect("web-2");
}

#[test]
fn it_starts_in_a_terminal_of_twenty_by_five() {
    let scene = scene();
    let mut small = top(&scene.daemon, &[], (20, 5));

    small.expect("20x5 is too small");
    small.press("q");

    assert!(small.expect_end());
    small.expect_restored();
}

#[test]
fn a_drain_by_keyboard_asks_first_and_is_carried_out() {
    let mut scene = scene();

    scene.terminal.press("j");
    scene.terminal.press("d");
    scene.terminal.expect("draining");
    scene.terminal.expect("Yes");
    let selected = |daemon: &Daemon| {
        let changed = daemon.control.backends().into_iter().filter(|b| b.admin.state != Admin::Ready);
        changed.map(|backend| backend.id).collect::<Vec<_>>()
    };
    assert!(selected(&scene.daemon).is_empty(), "nothing happens before the answer");
    scene.terminal.press("y");

    scene.terminal.expect("drained");
    assert_eq!(selected(&scene.daemon).len(), 1);
}

#[test]
fn an_answer_of_no_changes_nothing() {
    let mut scene = scene();

    scene.terminal.press("j");
    scene.terminal.press("d");
    scene.terminal.expect("Yes");
    scene.terminal.press("n");
    scene.terminal.expect_gone("Yes (y)");
    scene.terminal.press("j");
    scene.terminal.press("d");
    scene.terminal.expect("Yes");
    // The marked answer is no.
    scene.terminal.press("\r");
    scene.terminal.expect_gone("Yes (y)");

    assert!(scene.daemon.control.backends().iter().all(|backend| backend.admin.state == Admin::Ready));
}

#[test]
fn a_daemon_that_dies_makes_the_picture_stale_and_one_that_returns_live() {
    let mut scene = scene();
    let setup = scene.daemon.keep_setup();

    scene.daemon.signal("KILL");
    scene.daemon.ended();
    scene.terminal.expect("STALE");
    scene.terminal.expect("web-1");
    let again = setup.start();

    scene.terminal.expect_gone("STALE");
    scene.terminal.expect("web-1");
    again.control.set_weight("main/web-1", 7);
    scene.terminal.expect("7");
    scene.terminal.press("q");
    assert!(scene.terminal.expect_end());
    scene.terminal.expect_restored();
}

#[test]
fn signals_restore_the_terminal() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut scene = scene();

        scene.terminal.signal(signal);

        scene.terminal.expect_end();
        scene.terminal.expect_restored();
    }
}

#[test]
fn help_is_made_of_the_keys() {
    let mut scene = scene();

    scene.terminal.press("?");
    scene.terminal.expect("drain: nothing new");
    scene.terminal.press("\u{1b}");

    scene.terminal.expect("web-1");
}

#[test]
fn events_come_in_while_they_are_looked_at() {
    let mut scene = scene();

    scene.terminal.press("3");
    scene.daemon.control.set_admin("main/web-2", Admin::Maint);

    scene.terminal.expect("maint");
    scene.terminal.expect("main/web-2");
}

#[test]
fn a_terminal_without_a_daemon_is_told_how_to_start_one() {
    let missing = "/nonexistent/ayad.sock";
    let terminal_less = std::process::Command::new(binary::ayactl())
        .args(["--socket", missing, "top", "--once"])
        .output()
        .expect("ayactl can be run");

    assert_eq!(terminal_less.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&terminal_less.stderr).contains("ayad --config"));
}
