//! Memory that a burst of connections left behind, or the start, goes back to the system.
//!
//! The system's allocator keeps what was freed, because most of it is wanted again soon. After thousands of connections
//! have closed, or thousands of routes were read once, it is not, and an operator who looks at the process must not see a
//! leak where there is none. Giving back walks the free lists, with workers waiting meanwhile for some milliseconds at
//! worst, so it happens once for each burst and never on the way of a request. A reload keeps what it freed: the next
//! one takes it again, and would spend as long on getting it back as on reading the file.

/// Fewer connections and requests than this are no burst: what they leave is a megabyte or so.
const BURST: u64 = 256;

/// Follows how many connections and requests there are, and knows when a burst is over.
#[derive(Debug, Default)]
pub struct Bursts {
    most: u64,
}

impl Bursts {
    /// Notes how many are open now. True when so many closed since the last time that it was true that
    /// their memory is worth giving back: a burst, and three quarters of it.
    pub fn is_over(&mut self, open: u64) -> bool {
        self.most = self.most.max(open);
        let is_over = self.most >= BURST && open <= self.most / 4;
        if is_over {
            self.most = open;
        }
        is_over
    }
}

/// Gives free memory back to the system.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        #[expect(unsafe_code, reason = "the C library offers this by a bare function alone")]
        // SAFETY: it takes a number, touches nothing but the allocator's own lists, and locks them.
        let gave = unsafe { libc::malloc_trim(0) };
        tracing::debug!(gave, "free memory given back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_over_once_when_most_of_it_is_gone() {
        let mut bursts = Bursts::default();
        let seen = [10, 300, 900, 500, 226, 225, 100, 0, 200, 40, 256, 64, 10];
        let over: Vec<_> = seen.iter().filter(|open| bursts.is_over(**open)).collect();
        assert_eq!(over, [&225, &64]);
    }
}
