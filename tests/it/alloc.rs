//! Routing, picking and sticky lookups allocate nothing, whatever the algorithm.
//!
//! A counting allocator stands before the system's one for the whole test binary. It counts for each thread,
//! so tests that run beside these do not disturb them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use aya_core::axis::{Admin, Health};
use aya_core::load::Load;
use aya_core::pick::{Ask, PICKERS, Tried};
use aya_core::rng::Rng;
use aya_core::route::{Context, Found, HostMatch, RouteSpec, Router};
use aya_core::sticky;
use aya_core::time::Tick;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count() {
    // A thread that is ending has no counter any more, and nobody who would ask.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed to the system's allocator as it is; counting touches a plain cell of the
// thread, which needs neither memory nor a destructor.
#[expect(unsafe_code, reason = "an allocator cannot be written without it")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout` is the one this call needs.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above; `block` came from the system's allocator, because all blocks do.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

/// How often `f` allocates on this thread.
fn allocations(f: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

/// Backends of every kind: weights 0 to 3, some down, some draining.
fn backends(len: u64) -> Vec<Arc<Load>> {
    let backend = |i: u64| {
        let health = if i % 5 == 3 { Health::Down } else { Health::Up };
        let load = Load::new(i + 1, (i % 4) as u32, health);
        if i % 7 == 6 {
            load.set_admin(Admin::Draining, true);
        }
        Arc::new(load)
    };
    (0..len).map(backend).collect()
}

fn ask(i: u64, tried: &Tried) -> Ask<'_> {
    Ask::any(Tick::from_nanos(i * 1_000), i.wrapping_mul(0x9e37_79b9_7f4a_7c15), tried)
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(7)))), 1);
    assert_eq!(allocations(|| _ = black_box([7; 4])), 0);
}

#[test]
fn no_algorithm_allocates_once_it_is_prepared() {
    for spec in PICKERS {
        for len in [0, 1, 2, 8, 64, 300] {
            let (set, mut rng) = (backends(len), Rng::seeded(1));
            let mut picker = spec.make(1);
            picker.learn_set(&set);
            let mut picked = 0_u32;

            let allocated = allocations(|| {
                for i in 0..1_000 {
                    let mut tried = Tried::new();
                    while let Some(index) = picker.pick(&set, &ask(i, &tried), &mut rng) {
                        picked += 1;
                        tried.push(index);
                        if tried.len() == 3 {
                            break;
                        }
                    }
                }
            });

            assert_eq!(allocated, 0, "{} over {len} backends", spec.name);
            // A single backend has weight 0 here, which only some algorithms mind.
            assert!(len == 1 || (picked > 0) == (len > 0), "{} over {len} backends", spec.name);
        }
    }
}

#[test]
fn sticky_lookups_allocate_nothing() {
    let set = backends(64);
    let cookie = sticky::encode(set[1].token());
    let mut found = 0;

    let allocated = allocations(|| {
        for i in 0..1_000 {
            let tried = Tried::new();
            let Ask { now, key, .. } = ask(i, &tried);
            let token = sticky::decode(&cookie).unwrap_or_default();
            found += usize::from(sticky::by_token(&set, token, now, &tried) == Some(1));
            found += usize::from(sticky::by_source(&set, key, now, &tried).is_some());
        }
    });

    assert_eq!((allocated, found), (0, 2_000));
}

#[test]
fn finding_a_route_allocates_nothing() {
    let route = |host: &str, path: &str, methods: &[&str]| RouteSpec {
        host: HostMatch::parse(host).unwrap(),
        path: path.into(),
        methods: methods.iter().map(|&m| m.into()).collect(),
        headers: vec![("x-plan".into(), "gold".into())],
        context: Context::default(),
        listeners: None,
    };
    let router = Router::build(&[
        route("shop.example.com", "/api/{version}/items/{id}", &["GET", "PUT"]),
        route("*.example.com", "/img/*", &[]),
        route("*", "/*", &["POST"]),
    ])
    .unwrap();
    let find = |host, path, method| {
        router.find(0, host, path, method, &mut |name| (name == "x-plan").then_some(&b"gold"[..]))
    };

    let allocated = allocations(|| {
        assert_eq!(find("Shop.Example.com", "/api/v1/items/7", "PUT"), Found::Route(0));
        assert_eq!(find("a.b.example.com.", "/img/a/b/c.png", "GET"), Found::Route(1));
        assert_eq!(find("[::1]", "/anything", "POST"), Found::Route(2));
        assert_eq!(find("shop.example.com", "/", "GET"), Found::NoMethod);
    });

    assert_eq!(allocated, 0);
}
