//! A bridge and a range of addresses that nobody else has.

use std::{fmt, fs};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

/// A /16 of addresses: the bridge's /24 at its start, the engine's other networks in its upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range(u8);

impl Range {
    /// The ranges that no route leads into.
    pub(super) fn without_route() -> Result<Vec<Range>> {
        let routes = fs::read_to_string("/proc/net/route").context("read /proc/net/route")?;
        Ok(free_of(&routes))
    }

    pub(super) fn gateway(self) -> String {
        format!("10.{}.0.1", self.0)
    }

    pub(super) fn bridge_subnet(self) -> String {
        format!("10.{}.0.0/24", self.0)
    }

    fn prefix(self) -> String {
        format!("10.{}.", self.0)
    }

    /// The range that has this pool.
    pub(super) fn of_pool(pool: &str) -> Option<Range> {
        let number = pool.strip_prefix("10.")?.strip_suffix(".128.0/17")?;
        number.parse().ok().map(Range)
    }

    pub(super) fn pool(self) -> String {
        format!("10.{}.128.0/17", self.0)
    }
}

/// The ranges that no route leads into; the default route leads everywhere and doesn't count.
fn free_of(routes: &str) -> Vec<Range> {
    let number = |text: &str| Some(u32::from_str_radix(text, 16).ok()?.swap_bytes());
    let taken: Vec<(u32, u32)> = routes
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            Some((number(fields.nth(1)?)?, number(fields.nth(5)?)?))
        })
        .filter(|(_, mask)| *mask != 0)
        .collect();
    let ranges = (100..200).map(Range).filter(|Range(n)| {
        let start = u32::from_be_bytes([10, *n, 0, 0]);
        taken.iter().all(|(to, mask)| {
            let mask = mask & 0xffff_0000;
            to & mask != start & mask
        })
    });
    ranges.collect()
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

pub(super) fn make_bridge(sh: &Shell, name: &str, range: Range) -> Result<()> {
    let address = format!("{}/24", range.gateway());
    cmd!(sh, "ip link add {name} type bridge").quiet().run()?;
    cmd!(sh, "ip address add {address} dev {name}").quiet().run()?;
    cmd!(sh, "ip link set {name} up").quiet().run()?;
    Ok(())
}

/// Removes the bridges in a range, and the firewall rules that an engine makes for them. An engine
/// that is killed leaves both, and one that ends in peace leaves the rules.
pub(super) fn remove_bridges(sh: &Shell, range: Range) -> Result<()> {
    let addresses = cmd!(sh, "ip -4 -o address show").quiet().read()?;
    let bridges = bridges_of(&addresses, range);
    for table in ["filter", "nat"] {
        let rules = cmd!(sh, "iptables -w -t {table} -S").quiet().ignore_stderr().read()?;
        for rule in rules_of(&rules, range, &bridges) {
            let words = words_of(rule);
            cmd!(sh, "iptables -w -t {table} -D {words...}").quiet().ignore_stderr().run()?;
        }
    }
    for bridge in bridges {
        cmd!(sh, "ip link delete {bridge}").quiet().run()?;
    }
    Ok(())
}

/// Removes the chains that Podman makes once for all its networks, unless another one's containers
/// use them. It makes them again where it finds none.
pub(super) fn remove_podmans_chains(sh: &Shell) -> Result<()> {
    for table in ["filter", "nat"] {
        let rules = cmd!(sh, "iptables -w -t {table} -S").quiet().ignore_stderr().read()?;
        let Some((jumps, chains)) = unused_podmans(&rules) else { continue };
        for rule in jumps {
            let words = words_of(rule);
            cmd!(sh, "iptables -w -t {table} -D {words...}").quiet().ignore_stderr().run()?;
        }
        // A chain can be removed once no other one's rule leads there.
        for action in ["-F", "-X"] {
            for chain in &chains {
                cmd!(sh, "iptables -w -t {table} {action} {chain}")
                    .quiet()
                    .ignore_stderr()
                    .run()?;
            }
        }
    }
    Ok(())
}

/// Podman's common chains and the rules that lead there; `None` where a network has chains too.
fn unused_podmans(rules: &str) -> Option<(Vec<&str>, Vec<&str>)> {
    const PODMANS: &str = "NETAVARK";
    let made = rules.lines().filter_map(|line| line.strip_prefix("-N "));
    let chains: Vec<&str> = made.filter(|chain| chain.starts_with(PODMANS)).collect();
    let common =
        |chain: &&str| chain.starts_with("NETAVARK_") || chain.starts_with("NETAVARK-HOSTPORT-");
    let appended = rules.lines().filter_map(|line| line.strip_prefix("-A "));
    let names_address = |rule: &str| rule.contains(" -s ") || rule.contains(" -d ");
    let used = |rule: &&str| rule.starts_with("NETAVARK_FORWARD") && names_address(rule);
    if !chains.iter().all(common) || appended.clone().any(|rule| used(&rule)) {
        return None;
    }
    let leads = |rule: &&str| !rule.starts_with(PODMANS) && rule.contains(" -j NETAVARK");
    Some((appended.filter(leads).collect(), chains))
}

/// The words of a rule as `iptables -S` writes it: what holds spaces stands in quotes.
fn words_of(rule: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in rule.split('"').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// From lines such as `4: eth0    inet 192.0.2.2/24 brd …`.
fn bridges_of(addresses: &str, range: Range) -> Vec<&str> {
    let lines = addresses.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.nth(1)?, words.nth(1)?))
    });
    let ours = lines.filter(|(_, address)| address.starts_with(&range.prefix()));
    ours.map(|(name, _)| name).collect()
}

/// The rules, without their `-A`, that name a bridge or an address of the range.
fn rules_of<'a>(rules: &'a str, range: Range, bridges: &[&str]) -> Vec<&'a str> {
    let appended = rules.lines().filter_map(|line| line.strip_prefix("-A "));
    let names = |rule: &&str| {
        let mut words = rule.split(' ');
        words.any(|word| bridges.contains(&word) || word.starts_with(&range.prefix()))
    };
    appended.filter(names).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n";

    fn free(routes: &[(&str, &str)]) -> Option<u8> {
        let lines = routes.iter().map(|(to, mask)| format!("eth0 {to} 0 1 0 0 0 {mask} 0 0 0\n"));
        free_of(&(HEAD.to_owned() + &lines.collect::<String>())).first().map(|range| range.0)
    }

    #[test]
    fn ranges_without_a_route_are_free() {
        assert_eq!(free(&[]), Some(100));
        assert_eq!(free(&[("00000000", "00000000")]), Some(100));
        assert_eq!(free(&[("0005640A", "00FFFFFF")]), Some(101));
        assert_eq!(free(&[("0000640A", "0000FFFF"), ("0080650A", "0080FFFF")]), Some(102));
        assert_eq!(free(&[("0000000A", "000000FF")]), None);
    }

    #[test]
    fn a_ranges_bridges_and_rules_are_found_and_no_others() {
        let addresses = "1: lo    inet 127.0.0.1/8 scope host lo\n\
                         7: ls-1    inet 10.101.0.1/24 scope global ls-1\n\
                         8: br-1    inet 10.101.128.1/24 brd 10.101.128.255 scope global br-1\n\
                         9: br-2    inet 10.10.1.1/24 scope global br-2\n";
        let bridges = bridges_of(addresses, Range(101));
        assert_eq!(bridges, ["ls-1", "br-1"]);
        let rules = "-P FORWARD DROP\n\
                     -A FORWARD -o br-1 -j DOCKER\n\
                     -A FORWARD -o br-2 -j DOCKER\n\
                     -A POSTROUTING -s 10.101.0.0/24 ! -o gone -j MASQUERADE\n";
        let expected =
            ["FORWARD -o br-1 -j DOCKER", "POSTROUTING -s 10.101.0.0/24 ! -o gone -j MASQUERADE"];
        assert_eq!(rules_of(rules, Range(101), &bridges), expected);
    }

    #[test]
    fn podmans_common_chains_are_removed_only_if_no_network_uses_them() {
        let common = "-P FORWARD DROP\n\
                      -N DOCKER\n\
                      -N NETAVARK_FORWARD\n\
                      -A FORWARD -m comment --comment \"netavark firewall rules\" -j NETAVARK_FORWARD\n\
                      -A NETAVARK_FORWARD -m conntrack --ctstate INVALID -j DROP\n";
        let (jumps, chains) = unused_podmans(common).unwrap();
        assert_eq!(chains, ["NETAVARK_FORWARD"]);
        let words = jumps.into_iter().map(words_of).collect::<Vec<_>>();
        let comment = "netavark firewall rules";
        let expected = ["FORWARD", "-m", "comment", "--comment", comment, "-j", "NETAVARK_FORWARD"];
        assert_eq!(words, [expected]);
        let with_chain = format!("{common}-N NETAVARK-1D8721804F16F\n");
        assert!(unused_podmans(&with_chain).is_none());
        let with_rule = format!("{common}-A NETAVARK_FORWARD -d 10.88.0.0/16 -j ACCEPT\n");
        assert!(unused_podmans(&with_rule).is_none());
    }

    #[test]
    fn a_range_is_read_back_from_its_pool() {
        assert_eq!(Range::of_pool(&Range(117).pool()), Some(Range(117)));
        assert_eq!(Range::of_pool("192.168.0.0/17"), None);
    }
}
