//! The count of what is in use never drifts, whatever is taken and dropped in which order.

use longshore_driver_api::{Chosen, ErrorKind, LeastUsed, Network, NetworkMode};
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_chosen_is_used_least_and_counted_exactly_once(
        names in 0_usize..5,
        steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..200),
    ) {
        let names: Vec<String> = (0..names).map(|number| format!("net{number}")).collect();
        let choice = LeastUsed::new(&names);
        let mut held: Vec<Chosen> = Vec::new();
        for (take, which) in steps {
            if take {
                let before = choice.users();
                match choice.choose() {
                    Some(chosen) => {
                        let least = before.iter().map(|(_, users)| *users).min();
                        let of_it = before.iter().find(|(name, _)| name == chosen.name());
                        prop_assert_eq!(of_it.map(|(_, users)| *users), least);
                        held.push(chosen);
                    }
                    None => prop_assert!(names.is_empty()),
                }
            } else if !held.is_empty() {
                drop(held.swap_remove(which.index(held.len())));
            }
            for (name, users) in choice.users() {
                prop_assert_eq!(users, held.iter().filter(|it| it.name() == name).count());
            }
        }
        drop(held);
        prop_assert!(choice.users().iter().all(|(_, users)| *users == 0));
    }
}

#[test]
fn a_name_that_is_given_twice_counts_once_and_without_names_there_is_no_choice() {
    assert_eq!(LeastUsed::new(["a", "a"]).users(), [("a".to_owned(), 0)]);
    assert!(LeastUsed::new([""; 0]).choose().is_none());
}

#[test]
fn a_name_that_is_not_good_is_chosen_only_where_none_is() {
    let choice = LeastUsed::new(["a", "b", "c"]);
    let rather = |good: &[&str]| choice.choose_rather(|name| good.contains(&name)).unwrap();
    let held = [rather(&["b", "c"]), rather(&["b", "c"]), rather(&["b", "c"])];
    assert_eq!(held.each_ref().map(Chosen::name), ["b", "c", "b"]);
    assert_eq!(rather(&[]).name(), "a");
    assert_eq!(choice.users(), [("a".to_owned(), 0), ("b".to_owned(), 2), ("c".to_owned(), 1)]);
}

#[test]
fn a_task_that_leaves_the_choice_gets_none_that_it_is_on_anyway() {
    let networks = LeastUsed::new(["a", "b"]);
    let auto = |also: &[&str]| {
        let mut network = Network::default();
        network.mode = NetworkMode::Auto;
        network.also = also.iter().map(|name| (*name).to_owned()).collect();
        network
    };
    let chosen = networks.choose_for(&auto(&["a"])).unwrap().unwrap();
    assert_eq!(chosen.name(), "b");
    let error = networks.choose_for(&auto(&["a", "b"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(networks.users().iter().map(|(_, users)| users).sum::<usize>(), 1);
    assert!(networks.choose_for(&Network::default()).unwrap().is_none());
    assert!(LeastUsed::new([""; 0]).choose_for(&auto(&["a"])).unwrap().is_none());
}
