//! A change of configuration is a delta: what two configurations say alike stays the very same objects, and
//! what they say differently is new. Random pairs of configurations, through the daemon's own way from a file to
//! a snapshot, there and back again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use aya_tests::wait::until;
use ayad::config::{self, Config, Env};
use ayad::control::apply::{Before, Prepared, prepare};
use ayad::state::{Backend, Binding, Ending, Listener, Pool, Route, Snapshot, is_same_pool};
use proptest::prelude::*;

const LISTENERS: [&str; 3] = ["alpha", "beta", "gamma"];
const POOLS: [&str; 4] = ["cart", "cms", "pay", "shop"];
const BACKENDS: [&str; 3] = ["one", "three", "two"];
const ROUTES: [&str; 5] = ["r1", "r2", "r3", "r4", "r5"];

/// Addresses that nobody else binds: the other tests take their ports at other addresses.
static ADDRESSES: LazyLock<Vec<SocketAddr>> = LazyLock::new(|| {
    let free = |host: u8| {
        let socket =
            TcpListener::bind(SocketAddr::from(([127, 85, 0, host], 0))).expect("a loopback port is free");
        socket.local_addr().expect("a bound socket has an address")
    };
    (1..=5).map(free).collect()
});

/// Held while sockets are at those addresses.
static TAKEN: Mutex<()> = Mutex::new(());

/// A configuration in the dimensions that vary.
#[derive(Clone, Debug)]
struct World {
    /// The listener of each address.
    owners: Vec<Option<usize>>,
    is_reversed: bool,
    /// The limit on connections of each listener.
    limits: Vec<u32>,
    pools: Vec<Option<PoolWorld>>,
    /// Path, pool and listener of each route; positions wrap around.
    routes: Vec<Option<(u8, usize, Option<usize>)>>,
}

/// Attempts of a pool, and address and weight of each of its backends.
type PoolWorld = (u32, Vec<Option<(u8, u32)>>);

fn world() -> impl Strategy<Value = World> {
    let backend = prop::option::weighted(0.7, (1..4_u8, 1..3_u32));
    let pool = (1..3_u32, prop::collection::vec(backend, BACKENDS.len()));
    let route = (0..2_u8, 0..POOLS.len(), prop::option::of(0..LISTENERS.len()));
    (
        prop::collection::vec(prop::option::weighted(0.8, 0..LISTENERS.len()), 5),
        any::<bool>(),
        prop::collection::vec(1..3_u32, LISTENERS.len()),
        prop::collection::vec(prop::option::weighted(0.8, pool), POOLS.len()),
        prop::collection::vec(prop::option::weighted(0.8, route), ROUTES.len()),
    )
        .prop_map(|(owners, is_reversed, limits, pools, routes)| World {
            owners,
            is_reversed,
            limits,
            pools,
            routes,
        })
}

impl World {
    /// The file; empty places are filled so that it is valid.
    fn text(&self) -> String {
        let mut text = "aya = 1\n".to_owned();
        let mut listeners: BTreeMap<usize, Vec<SocketAddr>> = BTreeMap::new();
        for (owner, address) in self.owners.iter().zip(ADDRESSES.iter()) {
            if let Some(owner) = owner {
                listeners.entry(*owner).or_default().push(*address);
            }
        }
        if listeners.is_empty() {
            listeners.insert(0, vec![ADDRESSES[0]]);
        }
        for (owner, bind) in &mut listeners {
            if self.is_reversed {
                bind.reverse();
            }
            let bind: Vec<_> = bind.iter().map(|address| format!("\"{address}\"")).collect();
            let (name, bind, limit) = (LISTENERS[*owner], bind.join(", "), self.limits[*owner]);
            let _ = writeln!(text, "[listen.{name}]\nbind = [{bind}]\nmax_connections = {limit}");
        }
        let pools = self.write_pools(&mut text);
        let listeners: Vec<&str> = listeners.keys().map(|index| LISTENERS[*index]).collect();
        let default = Some((0, 0, None));
        let is_empty = self.routes.iter().all(Option::is_none);
        for (index, name) in ROUTES.iter().enumerate() {
            let route = self.routes[index].or(default.filter(|_| is_empty && index == 0));
            let Some((path, pool, listener)) = route else { continue };
            let pool = pools[pool % pools.len()];
            let _ =
                writeln!(text, "[route.{name}]\nmatch = {{ path = \"/{path}/{name}\" }}\npool = \"{pool}\"");
            if let Some(listener) = listener {
                let _ = writeln!(text, "listen = \"{}\"", listeners[listener % listeners.len()]);
            }
        }
        text
    }

    fn write_pools(&self, text: &mut String) -> Vec<&'static str> {
        let mut names = Vec::new();
        let default = (1, vec![None; BACKENDS.len()]);
        for (index, name) in POOLS.iter().enumerate() {
            let is_needed = index == 0 && self.pools.iter().all(Option::is_none);
            let Some((attempts, backends)) = self.pools[index].as_ref().or(is_needed.then_some(&default))
            else {
                continue;
            };
            let is_empty = backends.iter().all(Option::is_none);
            let members = BACKENDS.iter().zip(backends).enumerate().filter_map(|(at, (name, backend))| {
                let (host, weight) = backend.or((is_empty && at == 0).then_some((1, 1)))?;
                Some(format!("{{ name = \"{name}\", address = \"127.0.0.{host}:9\", weight = {weight} }}"))
            });
            let members: Vec<_> = members.collect();
            let _ = writeln!(
                text,
                "[pool.{name}]\nhealth = {{ kind = \"none\" }}\nattempts = {attempts}\nbackends = [{}]",
                members.join(", ")
            );
            names.push(*name);
        }
        names
    }

    fn load(&self) -> Config {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("ayad.toml");
        std::fs::write(&file, self.text()).expect("the file can be written");
        let env = Env { cores: 1, ..Env::default() };
        config::load(&file, &env).unwrap_or_else(|problems| panic!("{problems}\n{}", self.text()))
    }
}

/// Puts a configuration in force, as the daemon does.
fn apply(world: &World, before: Option<&Snapshot>) -> Prepared {
    let challenges = Arc::default();
    let how = Before {
        snapshot: before,
        open: before.map(Before::open_in).unwrap_or_default(),
        ending: &[],
        workers: 2,
        challenges: &challenges,
        ordered: &|_| None,
        next_rev: &|| 1,
    };
    // A program that another test starts has all sockets of this process for the moment until it is its own, also those
    // that were just closed here.
    let prepared = until("nobody else has the addresses", || match prepare(world.load(), &how) {
        Ok(prepared) => Some(prepared),
        Err(error) if error.to_string().contains("already in use") => None,
        Err(error) => panic!("{error}"),
    });
    Prepared::serve(&prepared.snapshot, &prepared.served);
    for binding in &prepared.closed {
        binding.end(Ending::HandOver);
    }
    prepared
}

/// Objects by what they are known by.
fn by<T, K: Ord>(all: &[Arc<T>], key: impl Fn(&T) -> K) -> BTreeMap<K, &Arc<T>> {
    all.iter().map(|one| (key(one), one)).collect()
}

/// Checks one kind of object: what `is_same` says of the two that are known by the same key decides whether
/// they are one.
fn expect_delta<T, K: Ord + std::fmt::Debug>(
    old: &BTreeMap<K, &Arc<T>>,
    new: &BTreeMap<K, &Arc<T>>,
    is_same: impl Fn(&T, &T) -> bool,
) {
    for (key, now) in new {
        match old.get(key) {
            Some(was) => assert_eq!(Arc::ptr_eq(was, now), is_same(was, now), "{key:?}"),
            None => assert!(!old.values().any(|was| Arc::ptr_eq(was, now)), "{key:?} is new"),
        }
    }
}

fn backends(snapshot: &Snapshot) -> BTreeMap<&str, &Arc<Backend>> {
    snapshot.backends().map(|backend| (backend.id.as_str(), backend)).collect()
}

/// The pool as the configuration says it, whatever object it is now.
fn says_the_same(config: &Config, old: &Pool, new: &Pool) -> bool {
    assert!(config.pools.iter().any(|conf| is_same_pool(conf, &new.conf)), "{} is as configured", new.name);
    is_same_pool(&old.conf, &new.conf)
}

fn expect_listeners(old: &Snapshot, new: &Snapshot) {
    let name = |listener: &Listener| listener.conf.name.clone();
    let (was, is) = (by(&old.listeners, name), by(&new.listeners, name));
    expect_delta(&was, &is, |a, b| a.conf == b.conf);
    for (name, now) in &is {
        if let Some(then) = was.get(name) {
            assert!(Arc::ptr_eq(&then.cell, &now.cell), "{name} goes on to count");
        }
    }
}

fn expect_addresses(old: &Snapshot, prepared: &Prepared) {
    let new = &prepared.snapshot;
    let address = |binding: &Binding| binding.address;
    let (was, is) = (by(&old.bindings, address), by(&new.bindings, address));
    expect_delta(&was, &is, |_, _| true);
    let keys = |all: &BTreeMap<SocketAddr, &Arc<Binding>>| all.keys().copied().collect::<BTreeSet<_>>();
    let named = |all: &[Arc<Binding>]| all.iter().map(|b| b.address).collect::<BTreeSet<_>>();
    assert_eq!(named(&prepared.opened), &keys(&is) - &keys(&was));
    assert_eq!(named(&prepared.closed), &keys(&was) - &keys(&is));
    for binding in &new.bindings {
        let listener = binding.listener().expect("it serves one");
        assert!(listener.bound.contains(&binding.address), "{} serves its listener", binding.address);
        assert!(new.listeners.iter().any(|one| Arc::ptr_eq(one, &listener)));
        assert_eq!(binding.sockets().len(), 2, "{} is open", binding.address);
    }
}

fn expect_routes(config: &[(String, String)], old: &Snapshot, new: &Snapshot) {
    let name = |route: &Route| route.name.clone();
    let (was, is) = (by(&old.routes, name), by(&new.routes, name));
    expect_delta(&was, &is, |a, b| a.matches_as(b) && a.pool == b.pool);
    for (name, now) in &is {
        if let Some(then) = was.get(name) {
            assert!(Arc::ptr_eq(&then.requests, &now.requests), "{name} goes on to count");
        }
    }
    for ((route, target), (name, pool)) in new.routes.iter().zip(&new.targets).zip(config) {
        assert_eq!((&route.name, &route.pool), (name, pool));
        assert_eq!(new.pools[target.pool].name, *pool);
        assert!(Arc::ptr_eq(&target.requests, &route.requests), "{name} is counted where it is shown");
    }
    let spoken = |s: &Snapshot| s.routes.iter().map(|r| r.name.clone()).collect::<Vec<_>>();
    let heard = |s: &Snapshot| s.listeners.iter().map(|l| l.conf.name.clone()).collect::<Vec<_>>();
    let matches = is.iter().all(|(name, now)| was.get(name).is_some_and(|then| then.matches_as(now)));
    let is_same = matches && spoken(old) == spoken(new) && heard(old) == heard(new);
    assert_eq!(Arc::ptr_eq(&old.router, &new.router), is_same, "the matcher");
}

/// Goes from one configuration to the next and checks what that touched.
fn expect_only_the_difference(old: &Snapshot, world: &World) -> Prepared {
    let config = world.load();
    let pool_of = |route: &config::Route| config.pools[route.pool].name.clone();
    let routes: Vec<_> = config.routes.iter().map(|route| (route.name.clone(), pool_of(route))).collect();
    let again = world.load();
    let prepared = apply(world, Some(old));
    let new = &prepared.snapshot;
    expect_listeners(old, new);
    expect_addresses(old, &prepared);
    expect_routes(&routes, old, new);
    let name = |pool: &Pool| pool.name.clone();
    expect_delta(&by(&old.pools, name), &by(&new.pools, name), |a, b| says_the_same(&again, a, b));
    let (was, is) = (backends(old), backends(new));
    expect_delta(&was, &is, |a, b| a.resolved == b.resolved);
    let left: BTreeSet<_> = prepared.left.iter().map(Arc::as_ptr).collect();
    let stay: BTreeSet<_> = is.values().map(|b| Arc::as_ptr(b)).collect();
    assert_eq!(left, was.values().map(|b| Arc::as_ptr(b)).filter(|b| !stay.contains(b)).collect());
    prepared
}

/// Objects of all three that are the same in the first and the second are the same in the third.
fn expect_kept(first: &Snapshot, second: &Snapshot, third: &Snapshot) {
    fn kept<T>(first: &[Arc<T>], second: &[Arc<T>], third: &[Arc<T>]) {
        let has = |all: &[Arc<T>], one: &Arc<T>| all.iter().any(|other| Arc::ptr_eq(one, other));
        assert!(first.iter().filter(|one| has(second, one)).all(|one| has(third, one)));
    }
    kept(&first.listeners, &second.listeners, &third.listeners);
    kept(&first.bindings, &second.bindings, &third.bindings);
    kept(&first.pools, &second.pools, &third.pools);
    kept(&first.routes, &second.routes, &third.routes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn only_the_difference_is_touched_there_and_back(a in world(), b in world()) {
        let _taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let first = apply(&a, None);

        let second = expect_only_the_difference(&first.snapshot, &b);
        let third = expect_only_the_difference(&second.snapshot, &a);

        expect_kept(&first.snapshot, &second.snapshot, &third.snapshot);
        for binding in &third.snapshot.bindings {
            binding.end(Ending::HandOver);
        }
    }

    #[test]
    fn the_same_configuration_again_touches_nothing(a in world()) {
        let _taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let first = apply(&a, None);

        let again = expect_only_the_difference(&first.snapshot, &a);

        prop_assert_eq!(&again.summary, &Vec::<String>::new());
        prop_assert!(again.opened.is_empty() && again.closed.is_empty() && again.left.is_empty());
        expect_kept(&first.snapshot, &first.snapshot, &again.snapshot);
        for binding in &first.snapshot.bindings {
            binding.end(Ending::HandOver);
        }
    }
}
