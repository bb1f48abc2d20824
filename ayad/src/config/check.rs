//! The meaning of a file: names that resolve, values that agree. All problems at once.
//!
//! What arrives here has the right shape ([`super::shape`]). Each section converts itself, in a module of
//! its own, taking its raw struct apart by name: a key that nobody reads does not compile. Shorthand is
//! written out first, so that the sections know one form only. Where shape problems left holes, checks
//! that would merely repeat them stay silent.

mod chaos;
mod daemon;
mod listen;
mod pool;
mod route;
mod tls;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::marks::{Marks, Spot};
use super::raw::format::name;
use super::raw::listen::Listen;
use super::raw::pool::Pool;
use super::raw::route::Route;
use super::raw::{File, Listeners};
use super::report::{Problem, Problems};
use super::shape::{At, Document};
use super::{Config, Env};
use tls::Findings;

/// Versions of the file format that are read.
const FORMATS: &[u32] = &[1];

/// Name of the listener, pool and route that shorthand stands for.
pub const MAIN: &str = "main";

/// Turns what was read into a configuration. `subject` names it in the summary of problems; `problems` are
/// those found so far. Resolves host names of backends, which may wait for DNS.
pub fn check(
    mut documents: Vec<Document>,
    env: &Env,
    file: Option<PathBuf>,
    subject: &str,
    mut problems: Vec<Problem>,
) -> Result<Config, Problems> {
    if documents.is_empty() || documents.iter().any(|document| !document.parsed) {
        // Without all the names there are, "no such name" would be a guess.
        return Err(Problems::of(subject, problems));
    }
    check_version(&documents, &mut problems);
    for document in &mut documents {
        write_out(document, &mut problems);
    }
    let sections = Sections::collect(&documents, &mut problems);
    let daemon = daemon::check(&sections.daemons, env, &mut problems);
    let chaos = chaos::check(&sections.chaos, &sections.loadtests, &mut problems);
    let mut warnings = Vec::new();
    let mut found = Findings { problems: &mut problems, warnings: &mut warnings };
    let checked = listen::check(&sections.listeners, daemon.admin_listen, &mut found);
    let (listeners, covered): (Vec<_>, Vec<_>) = checked.into_iter().unzip();
    let given = pool::Given { daemon: &daemon, env, sections: &sections };
    let pools = pool::check(&sections.pools, &given, &mut found);
    let routes = route::check(&sections, &mut problems);
    check_served(&documents, &sections, &mut problems);
    let unprovable = |index: usize| sections.listeners.get(index).map(|entry| listen::unprovable(&entry.at));
    tls::together(&listeners, &covered, &routes, &mut warnings, unprovable);
    match route::compile(&routes, &mut problems) {
        Some(router) if problems.is_empty() => {
            let routes = routes.into_iter().map(|(route, _)| route).collect();
            Ok(Config { file, daemon, chaos, listeners, pools, routes, router, covered, warnings })
        }
        _ => Err(Problems::of(subject, problems)),
    }
}

/// A named table somewhere in the files.
#[derive(Clone, Debug)]
struct Entry<'a, T> {
    name: &'a str,
    value: &'a T,
    at: At<'a>,
}

/// Everything the files define, in order of name.
struct Sections<'a> {
    documents: &'a [Document],
    daemons: Vec<(&'a super::raw::daemon::Daemon, At<'a>)>,
    chaos: Vec<(&'a super::raw::chaos::Chaos, At<'a>)>,
    loadtests: Vec<(&'a super::raw::chaos::Loadtest, At<'a>)>,
    listeners: Vec<Entry<'a, Listen>>,
    pools: Vec<Entry<'a, Pool>>,
    routes: Vec<Entry<'a, Route>>,
}

impl<'a> Sections<'a> {
    fn collect(documents: &'a [Document], problems: &mut Vec<Problem>) -> Self {
        let (mut chaos, mut loadtests) = (vec![], vec![]);
        let (mut daemons, mut listeners, mut pools, mut routes) = (vec![], vec![], vec![], vec![]);
        for document in documents {
            let root = document.root();
            // `aya` is checked and `include` followed by now; shorthand was written out.
            let File {
                aya: _,
                include: _,
                backends: _,
                listen,
                daemon,
                chaos: limits,
                loadtest,
                pool,
                route,
            } = &document.raw;
            daemons.extend(daemon.as_ref().map(|daemon| (daemon, root.key("daemon"))));
            chaos.extend(limits.as_ref().map(|limits| (limits, root.key("chaos"))));
            loadtests.extend(loadtest.as_ref().map(|limits| (limits, root.key("loadtest"))));
            let named = listen.as_ref().and_then(Listeners::named);
            listeners.extend(entries(named, root.key("listen")));
            pools.extend(entries(pool.as_ref(), root.key("pool")));
            routes.extend(entries(route.as_ref(), root.key("route")));
            routes.extend(document.lone_routes().map(|(name, value, at)| Entry { name, value, at }));
        }
        Self {
            documents,
            daemons,
            chaos,
            loadtests,
            listeners: unique("listener", listeners, problems),
            pools: unique("pool", pools, problems),
            routes: unique("route", routes, problems),
        }
    }

    /// The names in a section as they were written, even if so wrongly that nothing else is left of them.
    /// `None` when the section lacks names that somebody meant to write.
    fn names(&self, section: &str) -> Option<Vec<&'a str>> {
        let is_whole = |document: &Document| {
            [section, "include"].iter().all(|key| !document.root().key(key).is_damaged())
        };
        let lone = |document: &'a Document| {
            let names = (section == "route").then(|| document.lone_routes().map(|(name, ..)| name));
            names.into_iter().flatten()
        };
        let names = |document: &'a Document| {
            let children = document.root().key(section).children();
            children.map(|(name, _)| name).chain(lone(document))
        };
        self.documents.iter().all(is_whole).then(|| self.documents.iter().flat_map(names).collect())
    }
}

/// What is in the table, and where. Both are in order of name, so they are gone through side by side.
fn entries<'a, T>(table: Option<&'a BTreeMap<String, T>>, at: At<'a>) -> Vec<Entry<'a, T>> {
    let mut written = at.children();
    let entry = |(name, value): (&'a String, &'a T)| {
        let at = written.find(|(key, _)| *key == name).map_or(at, |(_, below)| below);
        Entry { name, value, at }
    };
    table.into_iter().flatten().map(entry).collect()
}

/// Sorts by name and reports names that are no names, or taken.
fn unique<'a, T>(
    noun: &str,
    mut entries: Vec<Entry<'a, T>>,
    problems: &mut Vec<Problem>,
) -> Vec<Entry<'a, T>> {
    for entry in &entries {
        if let Err(wrong) = name(entry.name) {
            problems.push(Problem::new(entry.at.name(), wrong.what).help(wrong.help));
        }
    }
    // Stable, so that of two definitions the first in reading order comes first.
    entries.sort_by_key(|entry| entry.name);
    for pair in entries.windows(2) {
        let [first, second] = pair else { continue };
        if first.name == second.name {
            let message = format!("{noun} \"{}\" is defined twice", second.name);
            let problem = Problem::new(second.at.name(), message).other(first.at.name(), "first defined");
            problems.push(problem.help("rename one of them, or leave it out"));
        }
    }
    entries.dedup_by_key(|entry| entry.name);
    entries
}

/// Writes shorthand out in full, with the marks of what was written.
fn write_out(document: &mut Document, problems: &mut Vec<Problem>) {
    if let Some(Listeners::Main(bind)) = document.raw.listen.take_if(|l| matches!(l, Listeners::Main(_))) {
        let named = BTreeMap::from([(MAIN.to_owned(), Listen::on(bind))]);
        document.raw.listen = Some(Listeners::Named(named));
        write_out_listen(&mut document.marks);
    }
    let Some(backends) = document.raw.backends.take() else { return };
    let short = document.root().key("backends").name();
    for section in ["pool", "route"] {
        let full = document.root().key(section).key(MAIN);
        if full.is_written() {
            let message =
                format!("the shorthand \"backends\" and [{section}.{MAIN}] both define {section} \"{MAIN}\"");
            let problem = Problem::new(short.clone(), message).other(full.name(), "in full");
            problems.push(
                problem.help(format!("move the backends into [pool.{MAIN}], or rename [{section}.{MAIN}]")),
            );
        } else {
            write_out_backends(&mut document.marks, section);
        }
    }
    let pools = document.raw.pool.get_or_insert_default();
    pools.entry(MAIN.to_owned()).or_insert_with(|| Pool::of(backends));
    let routes = document.raw.route.get_or_insert_default();
    routes.entry(MAIN.to_owned()).or_insert_with(|| Route::everything_to(MAIN));
}

/// `listen = X` stands for `listen.main.bind = X`.
fn write_out_listen(marks: &mut Marks) {
    let Some(listen) = marks.below(Spot::ROOT, "listen") else { return };
    let written = marks.graft(Spot::ROOT, "", listen, true);
    let Some(listen) = marks.below(Spot::ROOT, "listen") else { return };
    marks.clear(listen);
    let main = marks.graft(listen, MAIN, listen, false);
    marks.graft(main, "bind", written, true);
}

/// `backends = X` stands for `pool.main.backends = X` and a table `route.main`.
fn write_out_backends(marks: &mut Marks, section: &str) {
    let Some(written) = marks.below(Spot::ROOT, "backends") else { return };
    let table =
        marks.below(Spot::ROOT, section).unwrap_or_else(|| marks.graft(Spot::ROOT, section, written, false));
    let main = marks.graft(table, MAIN, written, false);
    if section == "pool" {
        marks.graft(main, "backends", written, true);
    }
}

fn check_version(documents: &[Document], problems: &mut Vec<Problem>) {
    let accepted: Vec<_> = FORMATS.iter().map(ToString::to_string).collect();
    let help = format!("this ayad reads format {}: write aya = {}", accepted.join(", "), FORMATS[0]);
    for (index, document) in documents.iter().enumerate() {
        let at = document.root().key("aya");
        match document.raw.aya {
            Some(version) if FORMATS.contains(&version) => {}
            Some(version) => {
                problems.push(at.problem(format!("format {version} of the file is not known")).help(&help));
            }
            None if index == 0 && !at.is_written() => {
                problems.push(at.problem("the version of the file format is missing").help(&help));
            }
            None => {}
        }
    }
}

/// Reports what would run but serve nobody.
fn check_served(documents: &[Document], sections: &Sections<'_>, problems: &mut Vec<Problem>) {
    let Some(document) = documents.first() else { return };
    let root = document.root();
    let written = |section: &str| documents.iter().any(|d| d.root().key(section).is_written());
    if root.key("include").is_damaged() {
        // What seems to be missing may stand in a file that could not be read.
        return;
    }
    if sections.listeners.is_empty() && !written("listen") {
        let help = "write listen = \"127.0.0.1:8080\", or a table [listen.NAME] with bind";
        problems.push(root.problem("no listener: nobody could connect").help(help));
    }
    if sections.routes.is_empty() && !written("route") && !written("backends") {
        let help = match sections.pools.first() {
            Some(pool) => format!("write [route.all] with pool = \"{}\"", pool.name),
            None => "write backends = [\"127.0.0.1:9001\"], or tables [pool.NAME] and [route.NAME]".into(),
        };
        problems.push(root.problem("no route: every request would be answered with 404").help(help));
    }
}
