//! Every key, in one table: what it does, where, and how help and the footer name it.
//!
//! The footer and the help screen are made from [`BINDINGS`], so neither can promise a key that does not work.
//! Keys are not configurable yet; when they are, the file is read into this table.

use aya_api::axis::Admin;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::screen::{ScreenId, Way};

/// Where a key means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A screen without a dialog.
    Screen(ScreenId),
    /// A filter is being typed.
    Filter,
    /// A weight is being typed.
    Weight,
    /// An algorithm is being chosen.
    Choose,
    /// A change waits to be confirmed.
    Confirm,
}

/// Where the focus goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// One window up.
    PageUp,
    /// One window down.
    PageDown,
    /// To the first line.
    First,
    /// To the last line.
    Last,
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Moves the focus.
    Move(Motion),
    /// Shows a screen.
    Show(ScreenId),
    /// Shows the next screen.
    NextScreen,
    /// Shows the previous screen.
    PreviousScreen,
    /// Opens the selected row.
    Open,
    /// Closes, clears or goes back, whichever comes first.
    Back,
    /// Starts typing a filter.
    Filter,
    /// Sorts by the next column.
    Sort,
    /// Turns the order round.
    Reverse,
    /// Plans another admin state for the selected backend.
    Order(Admin),
    /// Plans another weight for the selected backend.
    WeightBy(i32),
    /// Starts typing a weight.
    WeightType,
    /// Starts choosing an algorithm.
    Algorithm,
    /// Explains the share of a backend in place of its past, or shows its past again.
    Explain,
    /// Shows the next pool, or the one before.
    Pool(Way),
    /// Shows only requests that failed, or all that are kept.
    OnlyFailed,
    /// Shows only requests of the pool of the selected one, or of all pools.
    OnlyPool,
    /// Plans to stop the selected fault.
    StopFault,
    /// Stops all faults and locks: the one change that needs no answer, because it only makes things safer.
    Panic,
    /// Stops or resumes the picture.
    Freeze,
    /// Captures the mouse, or leaves it to the terminal.
    Mouse,
    /// Moves the focus between no and yes.
    Other,
    /// Confirms.
    Confirm,
    /// Takes what has the focus.
    Accept,
    /// Deletes the last character.
    Erase,
    /// Gives the terminal back and stops.
    Suspend,
    /// Ends the dashboard.
    Quit,
}

/// One line of the keymap.
#[derive(Debug)]
pub struct Binding {
    /// Where it works.
    pub scopes: &'static [Scope],
    /// The keys that do it.
    pub keys: &'static [(KeyCode, KeyModifiers)],
    /// The keys as help writes them.
    pub label: &'static str,
    /// What they do.
    pub action: Action,
    /// The same in a few words.
    pub help: &'static str,
    /// The heading in help.
    pub group: &'static str,
    /// The word in the footer; keys without one are only in help.
    pub footer: Option<&'static str>,
}

const OVERVIEW: Scope = Scope::Screen(ScreenId::Overview);
const BACKEND: Scope = Scope::Screen(ScreenId::Backend);
const EVENTS: Scope = Scope::Screen(ScreenId::Events);
const LISTENERS: Scope = Scope::Screen(ScreenId::Listeners);
const POOL: Scope = Scope::Screen(ScreenId::Pool);
const REQUESTS: Scope = Scope::Screen(ScreenId::Requests);
const CHAOS: Scope = Scope::Screen(ScreenId::Chaos);
const RUNS: Scope = Scope::Screen(ScreenId::Runs);
const HELP: Scope = Scope::Screen(ScreenId::Help);

const SCREENS: &[Scope] = &[OVERVIEW, BACKEND, EVENTS, LISTENERS, POOL, REQUESTS, CHAOS, RUNS, HELP];
const LISTS: &[Scope] =
    &[OVERVIEW, BACKEND, EVENTS, LISTENERS, POOL, REQUESTS, CHAOS, RUNS, HELP, Scope::Choose];
const TABLES: &[Scope] = &[OVERVIEW, EVENTS, LISTENERS, REQUESTS];
const BACKENDS: &[Scope] = &[OVERVIEW, BACKEND];
const CONFIRM: &[Scope] = &[Scope::Confirm];
const TYPING: &[Scope] = &[Scope::Filter, Scope::Weight];
const EVERYWHERE: &[Scope] = &[
    OVERVIEW,
    BACKEND,
    EVENTS,
    LISTENERS,
    POOL,
    REQUESTS,
    CHAOS,
    RUNS,
    HELP,
    Scope::Filter,
    Scope::Weight,
    Scope::Choose,
    Scope::Confirm,
];

const fn key(code: KeyCode) -> (KeyCode, KeyModifiers) {
    (code, KeyModifiers::NONE)
}

const fn ch(c: char) -> (KeyCode, KeyModifiers) {
    key(KeyCode::Char(c))
}

const fn ctrl(c: char) -> (KeyCode, KeyModifiers) {
    (KeyCode::Char(c), KeyModifiers::CONTROL)
}

macro_rules! bindings {
    ($($group:literal { $($scopes:ident $label:literal [$($key:expr),+] $action:expr, $help:literal $(, $footer:literal)?;)+ })+) => {
        &[$($(Binding {
            scopes: $scopes,
            keys: &[$($key),+],
            label: $label,
            action: $action,
            help: $help,
            group: $group,
            footer: bindings!(@footer $($footer)?),
        }),+),+]
    };
    (@footer) => { None };
    (@footer $footer:literal) => { Some($footer) };
}

const ONLY_OVERVIEW: &[Scope] = &[OVERVIEW];
const ONLY_CHOOSE: &[Scope] = &[Scope::Choose];
const ONLY_FILTER: &[Scope] = &[Scope::Filter];
const ONLY_WEIGHT: &[Scope] = &[Scope::Weight];
const ONLY_BACKEND: &[Scope] = &[BACKEND];
const ONLY_POOL: &[Scope] = &[POOL];
const ONLY_EVENTS: &[Scope] = &[EVENTS];
const ONLY_CHAOS: &[Scope] = &[CHAOS];
const ONLY_REQUESTS: &[Scope] = &[REQUESTS];
const AWAY: &[Scope] = &[BACKEND, EVENTS, LISTENERS, POOL, REQUESTS, CHAOS, RUNS, HELP];
const DIALOGS: &[Scope] = &[Scope::Filter, Scope::Weight, Scope::Choose];

/// The keymap. Within a scope every key occurs once.
pub const BINDINGS: &[Binding] = bindings! {
    "Change the selected backend" {
        BACKENDS "d" [ch('d')] Action::Order(Admin::Draining), "drain: nothing new, requests in flight finish", "drain";
        BACKENDS "r" [ch('r')] Action::Order(Admin::Ready), "make ready", "ready";
        BACKENDS "m" [ch('m')] Action::Order(Admin::Maint), "take out of service, checks too", "maint";
        BACKENDS "+" [ch('+'), ch('=')] Action::WeightBy(1), "weight up by 1", "weight";
        BACKENDS "-" [ch('-'), ch('_')] Action::WeightBy(-1), "weight down by 1";
        BACKENDS "]" [ch(']')] Action::WeightBy(10), "weight up by 10";
        BACKENDS "[" [ch('[')] Action::WeightBy(-10), "weight down by 10";
        BACKENDS "w" [ch('w')] Action::WeightType, "type a weight";
        BACKENDS "a" [ch('a')] Action::Algorithm, "choose the algorithm of its pool", "algorithm";
    }
    "Move" {
        LISTS "k ↑" [ch('k'), key(KeyCode::Up)] Action::Move(Motion::Up), "up";
        LISTS "j ↓" [ch('j'), key(KeyCode::Down)] Action::Move(Motion::Down), "down";
        LISTS "PgUp" [key(KeyCode::PageUp), ctrl('b')] Action::Move(Motion::PageUp), "a window up";
        LISTS "PgDn" [key(KeyCode::PageDown), ctrl('f')] Action::Move(Motion::PageDown), "a window down";
        LISTS "g Home" [ch('g'), key(KeyCode::Home)] Action::Move(Motion::First), "first line";
        LISTS "G End" [ch('G'), key(KeyCode::End)] Action::Move(Motion::Last), "last line; follows new events";
        ONLY_OVERVIEW "Enter" [key(KeyCode::Enter)] Action::Open, "open the selected backend", "open";
        ONLY_REQUESTS "Enter" [key(KeyCode::Enter)] Action::Open, "open the selected request", "open";
        ONLY_EVENTS "Enter" [key(KeyCode::Enter)] Action::Open, "open the selected event", "open";
        ONLY_POOL "n →" [ch('n'), key(KeyCode::Right)] Action::Pool(Way::Next), "next pool", "next pool";
        ONLY_POOL "N ←" [ch('N'), key(KeyCode::Left)] Action::Pool(Way::Previous), "previous pool";
        AWAY "Esc" [key(KeyCode::Esc), key(KeyCode::Backspace)] Action::Back, "back", "back";
        ONLY_OVERVIEW "Esc" [key(KeyCode::Esc)] Action::Back, "drop filter, then sorting, then pool";
    }
    "Look" {
        TABLES "/" [ch('/')] Action::Filter, "filter by text; a leading ! turns it round", "filter";
        ONLY_OVERVIEW "s" [ch('s')] Action::Sort, "sort by the next column", "sort";
        ONLY_OVERVIEW "S" [ch('S')] Action::Reverse, "turn the order round";
        ONLY_BACKEND "e" [ch('e')] Action::Explain, "explain its share in full, or show its past", "explain";
        ONLY_REQUESTS "x" [ch('x')] Action::OnlyFailed, "only requests that failed, or all that are kept", "failed only";
        ONLY_REQUESTS "o" [ch('o')] Action::OnlyPool, "only the pool of the selected one, or all pools", "pool only";
        ONLY_CHAOS "x" [ch('x'), key(KeyCode::Delete)] Action::StopFault, "stop the selected fault", "stop fault";
        SCREENS "!" [ch('!')] Action::Panic, "PANIC: stop all faults at once and lock; asks nothing", "PANIC";
        SCREENS "f" [ch('f')] Action::Freeze, "freeze the picture, or show the present again", "freeze";
        SCREENS "M" [ch('M')] Action::Mouse, "mouse on, or off to select text";
    }
    "Screens" {
        SCREENS "1" [ch('1')] Action::Show(ScreenId::Overview), "overview";
        SCREENS "2" [ch('2')] Action::Show(ScreenId::Backend), "selected backend";
        SCREENS "3" [ch('3')] Action::Show(ScreenId::Events), "events", "events";
        SCREENS "4" [ch('4')] Action::Show(ScreenId::Listeners), "listeners and certificates", "listeners";
        SCREENS "5 p" [ch('5'), ch('p')] Action::Show(ScreenId::Pool), "pool of the selected backend", "pool";
        SCREENS "6" [ch('6')] Action::Show(ScreenId::Requests), "requests that can be explained", "requests";
        SCREENS "7" [ch('7')] Action::Show(ScreenId::Chaos), "faults that are injected", "chaos";
        SCREENS "8" [ch('8')] Action::Show(ScreenId::Runs), "load tests, experiments, game days", "load";
        SCREENS "Tab" [key(KeyCode::Tab)] Action::NextScreen, "next screen";
        SCREENS "S-Tab" [key(KeyCode::BackTab)] Action::PreviousScreen, "previous screen";
        SCREENS "?" [ch('?'), key(KeyCode::F(1))] Action::Show(ScreenId::Help), "this help", "help";
        SCREENS "q" [ch('q')] Action::Quit, "quit", "quit";
        EVERYWHERE "^C" [ctrl('c')] Action::Quit, "quit from anywhere";
        EVERYWHERE "^Z" [ctrl('z')] Action::Suspend, "back to the shell; fg returns";
    }
    "Type and choose" {
        ONLY_FILTER "Enter" [key(KeyCode::Enter)] Action::Accept, "keep the filter", "keep";
        ONLY_WEIGHT "Enter" [key(KeyCode::Enter)] Action::Accept, "show what this weight would change", "preview";
        ONLY_CHOOSE "Enter" [key(KeyCode::Enter)] Action::Accept, "show what this algorithm would change", "preview";
        DIALOGS "Esc" [key(KeyCode::Esc)] Action::Back, "leave it as it was", "cancel";
        TYPING "⌫" [key(KeyCode::Backspace), ctrl('h')] Action::Erase, "erase the last character", "erase";
    }
    "Confirm a change" {
        CONFIRM "y" [ch('y'), ch('Y')] Action::Confirm, "confirm the change", "yes";
        CONFIRM "n Esc" [ch('n'), ch('N'), key(KeyCode::Esc), ch('q')] Action::Back, "leave everything as it is", "no";
        CONFIRM "Tab ← →" [key(KeyCode::Tab), key(KeyCode::BackTab), key(KeyCode::Left), key(KeyCode::Right), ch('h'), ch('l')]
            Action::Other, "move between no and yes", "other answer";
        CONFIRM "Enter" [key(KeyCode::Enter)] Action::Accept, "take the marked answer; it starts on no", "marked answer";
    }
};

/// What `event` does in `scope`, when it does anything.
pub fn action(scope: Scope, event: KeyEvent) -> Option<Action> {
    let pressed = normal(event);
    bindings(scope).find(|binding| binding.keys.contains(&pressed)).map(|binding| binding.action)
}

/// The bindings that work in `scope`, in the order of the table.
pub fn bindings(scope: Scope) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.scopes.contains(&scope))
}

/// The character a key types, when it types one.
pub fn typed(event: KeyEvent) -> Option<char> {
    match normal(event) {
        (KeyCode::Char(c), KeyModifiers::NONE) if !c.is_control() => Some(c),
        _ => None,
    }
}

/// Terminals disagree on whether a capital comes with shift; the character already says so.
fn normal(event: KeyEvent) -> (KeyCode, KeyModifiers) {
    let relevant = KeyModifiers::CONTROL | KeyModifiers::ALT;
    (event.code, event.modifiers & relevant)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Scope] = EVERYWHERE;

    #[test]
    fn a_key_does_one_thing_in_a_scope() {
        for scope in ALL {
            let keys: Vec<_> = bindings(*scope).flat_map(|binding| binding.keys).collect();
            for (at, key) in keys.iter().enumerate() {
                assert!(!keys[..at].contains(key), "{key:?} occurs twice in {scope:?}");
            }
        }
    }

    #[test]
    fn every_scope_can_be_left_and_quit() {
        for scope in ALL {
            assert!(bindings(*scope).any(|b| b.action == Action::Back), "{scope:?}");
            assert!(bindings(*scope).any(|b| b.action == Action::Quit), "{scope:?}");
        }
    }

    #[test]
    fn a_capital_counts_with_and_without_shift() {
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            let event = KeyEvent::new(KeyCode::Char('G'), modifiers);
            assert_eq!(action(OVERVIEW, event), Some(Action::Move(Motion::Last)));
        }
    }
}
