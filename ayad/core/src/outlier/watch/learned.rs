//! How a backend stands, for the process that goes on in place of this one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::{Finding, Standing};
use crate::load::Load;
use crate::time::{Tick, nanos};

/// How a backend stands among the others, for the process that goes on in place of this one. What it did lately does not
/// go along: that is a matter of seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnedWatch {
    /// How it stands.
    pub standing: Standing,
    /// Time since that changed.
    pub age: Duration,
    /// Time since it was last like the others; `None` when it is.
    pub odd: Option<Duration>,
    /// Time since what was found was last found again; of one that is tried, since it was ejected.
    pub seen: Duration,
    /// Time until its ejection ends; `None` when it is not ejected.
    pub left: Option<Duration>,
    /// Ejections that are not forgiven yet.
    pub times: u32,
    /// What was found odd; `None` when it is like the others.
    pub finding: Option<Finding>,
    /// Trials that went well and badly.
    pub trials: (u32, u32),
}

impl Load {
    /// How it stands; `None` when it is like the others and nothing is held against it.
    pub fn learned_standing(&self, now: Tick) -> Option<LearnedWatch> {
        let watch = self.watched();
        let (standing, times) = (watch.standing(), watch.times());
        (standing != Standing::In || times > 0).then(|| LearnedWatch {
            standing,
            age: now.since(watch.since()),
            odd: watch.odd_since().map(|odd| now.since(odd)),
            seen: now.since(watch.last_seen()),
            left: watch.until().map(|until| until.since(now)),
            times,
            finding: watch.finding(),
            trials: (watch.good.load(Ordering::Relaxed), watch.bad.load(Ordering::Relaxed)),
        })
    }

    /// Goes on as the same backend stood in another process: for a cell that no request has come to yet. What is older
    /// than this process counts as if it had been at its start. A trial that was under way there is made again. Out of
    /// traffic it is at once; what else follows from its standing does with the next look at the pool, which also undoes
    /// what the pool's rules do not enforce any more.
    pub fn resume_standing(&self, now: Tick, learned: &LearnedWatch) {
        let LearnedWatch { standing, age, odd, seen, left, times, finding, trials } = *learned;
        let watch = self.watched();
        let ago = |age: Duration| now.as_nanos().saturating_sub(nanos(age));
        watch.times.store(times, Ordering::Relaxed);
        watch.since.store(ago(age), Ordering::Relaxed);
        watch.odd_since.store(ago(odd.unwrap_or(age)), Ordering::Relaxed);
        watch.seen.store(ago(seen), Ordering::Relaxed);
        let Some(finding) = finding.filter(|_| standing != Standing::In) else { return };
        watch.keep(&finding);
        watch.until.store(now.after(left.unwrap_or_default()).as_nanos(), Ordering::Relaxed);
        watch.good.store(trials.0, Ordering::Relaxed);
        watch.bad.store(trials.1, Ordering::Relaxed);
        watch.standing.store(standing as u32, Ordering::Release);
        match standing {
            Standing::Ejected => self.set_ejected(true),
            Standing::Trying => self.grant(now),
            Standing::In | Standing::Suspected | Standing::Doubted => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Health;
    use crate::breaker::Answer;
    use crate::outlier::{Oddity, Quota};

    fn at(ms: u64) -> Tick {
        Tick::from_nanos(ms * 1_000_000)
    }

    fn up() -> Load {
        Load::new(1, 1, Health::Up)
    }

    fn ejected(quota: &Quota) -> Load {
        let load = up();
        quota.eject_ns.store(5_000_000_000, Ordering::Relaxed);
        quota.eject_max_ns.store(60_000_000_000, Ordering::Relaxed);
        quota.enforce.store(true, Ordering::Relaxed);
        let finding = Finding { oddity: Oddity::FailuresInRow, value: 5.0, median: 0.0, z: 0.0, calls: 5 };
        assert!(load.eject(at(10_000), &finding, quota).is_some());
        load
    }

    #[test]
    fn an_ejection_ends_in_another_process_when_it_would_have_here() {
        let (old, new) = (ejected(&Quota::default()), up());
        new.resume_standing(at(500), &old.learned_standing(at(12_000)).unwrap());

        assert!(new.is_ejected() && !new.eligible(at(500)));
        let watch = new.watched();
        assert_eq!((watch.standing(), watch.until(), watch.times()), (Standing::Ejected, Some(at(3_500)), 1));
        assert_eq!(watch.finding(), old.watched().finding());
        assert_eq!(watch.since(), at(0), "older than the process");
    }

    #[test]
    fn trials_go_on_where_they_were_and_one_is_offered() {
        let (old, new) = (ejected(&Quota::default()), up());
        assert!(old.begin_trials(at(15_000)).is_some());
        assert_eq!(old.watched().odd_since(), Some(at(10_000)), "the trials are no return");
        old.watched().count(at(15_100), Answer { sent: at(15_050), took: Duration::ZERO, ok: true });
        new.resume_standing(at(20_000), &old.learned_standing(at(15_200)).unwrap());

        assert_eq!(new.watched().trials(), old.watched().trials());
        assert_eq!(new.watched().trials().map(|trials| trials.0), Some(1));
        assert_eq!(new.watched().last_seen(), at(14_800));
        assert_eq!((new.watched().since(), new.watched().odd_since()), (at(19_800), Some(at(14_800))));
        assert!(new.is_due() && new.try_acquire(at(20_000), false) && !new.try_acquire(at(20_000), false));
    }

    #[test]
    fn who_is_suspected_stays_so_and_who_is_like_the_others_says_nothing() {
        let (old, new) = (up(), up());
        assert_eq!(old.learned_standing(at(1)), None);
        let finding = Finding { oddity: Oddity::Slow, value: 9e6, median: 1e6, z: 7.0, calls: 40 };
        old.watched().keep(&finding);
        assert!(old.watched().change(at(100), Standing::In, Standing::Suspected));
        new.resume_standing(at(9_000), &old.learned_standing(at(300)).unwrap());

        assert_eq!((new.watched().standing(), new.watched().since()), (Standing::Suspected, at(8_800)));
        assert!(new.eligible(at(9_000)) && new.watched().finding() == Some(finding));
    }
}
