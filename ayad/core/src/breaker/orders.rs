//! Orders about a breaker: of people, and of a fault, which goes first.

use std::sync::atomic::Ordering;

use super::Breaker;
use super::word::{ORDER, ORDER_SHIFT, Order};

/// The bits of the orders of people; above them are those of a fault.
const PEOPLE: u8 = 0b11;
const FAULT_SHIFT: u32 = 2;

impl Breaker {
    /// The order in force: that of a fault while there is one, else what people made of it.
    pub fn order(&self) -> Option<Order> {
        Order::of(self.word.load(Ordering::Acquire))
    }

    /// What people made of it, whether or not a fault forces it otherwise.
    pub fn people_order(&self) -> Option<Order> {
        Order::from_code(self.ordered.load(Ordering::Acquire) & PEOPLE)
    }

    /// What a fault forces it to.
    pub fn fault_order(&self) -> Option<Order> {
        Order::from_code(self.ordered.load(Ordering::Acquire) >> FAULT_SHIFT)
    }

    /// Puts an order of people in force at once, or releases it: then the breaker goes on where it was. While a fault
    /// forces the breaker, its order goes first.
    pub fn set_order(&self, order: Option<Order>) {
        self.give_order(PEOPLE, order.map_or(0, |order| order as u8));
    }

    /// Puts the order of a fault in force at once, or takes it away: then the order of people holds again, if there is
    /// one.
    pub fn set_fault(&self, order: Option<Order>) {
        self.give_order(!PEOPLE, order.map_or(0, |order| (order as u8) << FAULT_SHIFT));
    }

    fn give_order(&self, mask: u8, code: u8) {
        let set = |ordered: u8| Some(ordered & !mask | code);
        // Never refused, so both arms are what was there before.
        let (Ok(before) | Err(before)) = self.ordered.fetch_update(Ordering::AcqRel, Ordering::Acquire, set);
        let now = before & !mask | code;
        let order = Order::from_code(now >> FAULT_SHIFT).or(Order::from_code(now & PEOPLE));
        let bits = order.map_or(0, |order| (order as u64) << ORDER_SHIFT);
        self.change(|word| Some(word & !ORDER | bits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_goes_first_and_leaves_what_people_ordered() {
        let breaker = Breaker::default();
        let orders = |breaker: &Breaker| (breaker.order(), breaker.people_order(), breaker.fault_order());
        breaker.set_order(Some(Order::Held));
        breaker.set_fault(Some(Order::Open));
        assert_eq!(orders(&breaker), (Some(Order::Open), Some(Order::Held), Some(Order::Open)));
        breaker.set_order(Some(Order::Closed));
        assert_eq!(orders(&breaker), (Some(Order::Open), Some(Order::Closed), Some(Order::Open)));
        breaker.set_fault(None);
        assert_eq!(orders(&breaker), (Some(Order::Closed), Some(Order::Closed), None));
        breaker.set_order(None);
        assert_eq!(orders(&breaker), (None, None, None));
    }
}
