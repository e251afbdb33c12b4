//! The parser: grammar and normalisation together, in one pass over the bytes.

use crate::bytes::{
    DASH, DIGIT, DOT, LOWER, UNDERSCORE, UPPER, class, is_lower_hex, is_lower_hex_digit, run,
};
use crate::error::{Expected, Fault};
use crate::normalize::{DOCKER_HUB, First, LIBRARY, first_component};
use crate::parts::{RefParts, RepoPath};

/// The longest repository name, with `library/` and without the domain.
const MAX_PATH: usize = 255;
/// The longest tag.
const MAX_TAG: usize = 128;

/// The digest algorithms that are known, with the number of hexadecimal digits of each.
const DIGESTS: [(&[u8], u8); 3] = [(b"sha256:", 64), (b"sha384:", 96), (b"sha512:", 128)];

/// Parses and normalises `text`.
pub(crate) fn parse(text: &str) -> Result<RefParts<'_>, Fault> {
    let scanner = Scanner { text, bytes: text.as_bytes() };
    if text.starts_with('[') {
        let end = scanner.bracketed_domain()?;
        return scanner.after_domain(&text[..end], end + 1);
    }
    let (end, seen) =
        scanner.component(0, LOWER | UPPER | DIGIT).map_err(|fault| scanner.in_first(fault))?;
    match scanner.bytes.get(end) {
        Some(b'/') => {
            let first = &text[..end];
            match first_component(first, seen) {
                First::Namespace => scanner.after_namespace(DOCKER_HUB, end + 1),
                First::NoDomain => scanner.after_namespace("", end + 1),
                First::DockerHub => scanner.after_domain(DOCKER_HUB, end + 1),
                First::Domain => scanner.after_domain(first, end + 1),
                First::Neither => Err(scanner.first(UPPER, Expected::LowerCaseOrDigit)),
            }
        }
        Some(b':') if let Some(port_end) = scanner.port(end + 1) => {
            if seen & UNDERSCORE != 0 {
                return Err(scanner.first(UNDERSCORE, Expected::Domain));
            }
            scanner.after_domain(&text[..port_end], port_end + 1)
        }
        _ if seen & UPPER != 0 => Err(scanner.first(UPPER, Expected::LowerCaseOrDigit)),
        None if end == 64 && is_lower_hex(scanner.bytes) => {
            Err(Fault { offset: 0, expected: Expected::NotAnId })
        }
        _ => scanner.after_path(DOCKER_HUB, true, 0, end),
    }
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// Scans runs of `letters` with separators between them: `.`, `_`, `__` or any number of `-`.
    /// Gives the end and the classes that were seen.
    #[inline]
    fn component(&self, start: usize, letters: u8) -> Result<(usize, u8), Fault> {
        let bytes = self.bytes;
        let mut seen = 0;
        let mut at = start;
        loop {
            let run_start = at;
            let mut next = class(bytes, at);
            while next & letters != 0 {
                seen |= next;
                at += 1;
                next = class(bytes, at);
            }
            if at == run_start {
                return Err(Fault { offset: at, expected: start_of_run(letters) });
            }
            match next {
                DOT => at += 1,
                UNDERSCORE => at += if class(bytes, at + 1) == UNDERSCORE { 2 } else { 1 },
                DASH => at = run(bytes, at + 1, DASH),
                _ => return Ok((at, seen)),
            }
            seen |= next;
        }
    }

    /// The end of the port that starts at `start`, if there is one and a `/` follows. Else what
    /// stands there is a tag.
    #[inline]
    fn port(&self, start: usize) -> Option<usize> {
        let end = run(self.bytes, start, DIGIT);
        (end > start && self.bytes.get(end) == Some(&b'/')).then_some(end)
    }

    /// Scans an IPv6 address in brackets with an optional port. Gives its end, where a `/` is.
    fn bracketed_domain(&self) -> Result<usize, Fault> {
        let bytes = self.bytes;
        let mut end = 1;
        while bytes.get(end).is_some_and(|byte| byte.is_ascii_hexdigit() || *byte == b':') {
            end += 1;
        }
        if end == 1 || bytes.get(end) != Some(&b']') {
            return Err(Fault { offset: end, expected: Expected::Ipv6 });
        }
        let address = &bytes[1..end];
        end += 1;
        let has_port = bytes.get(end) == Some(&b':');
        if has_port {
            let port = end + 1;
            end = run(bytes, port, DIGIT);
            if end == port {
                return Err(Fault { offset: end, expected: Expected::Port });
            }
        }
        if bytes.get(end) != Some(&b'/') {
            return Err(Fault { offset: end, expected: Expected::Slash });
        }
        // The reference implementation takes a first component for a domain only if it has a dot, a
        // colon or a capital.
        if !has_port && !address.iter().any(|byte| *byte == b':' || byte.is_ascii_uppercase()) {
            return Err(Fault { offset: address.len() + 1, expected: Expected::Ipv6 });
        }
        Ok(end)
    }

    /// Goes on with the path at `path`, after a domain.
    #[inline]
    fn after_domain(&self, domain: &'a str, path: usize) -> Result<RefParts<'a>, Fault> {
        let (end, _) = self.component(path, LOWER | DIGIT)?;
        if self.bytes.get(end) == Some(&b'/') {
            self.components(domain, path, end + 1)
        } else {
            self.after_path(domain, domain == DOCKER_HUB, path, end)
        }
    }

    /// Goes on with the path's second component at `at`.
    #[inline]
    fn after_namespace(&self, domain: &'a str, at: usize) -> Result<RefParts<'a>, Fault> {
        self.components(domain, 0, at)
    }

    /// Goes on at `at` with the rest of a path that has a `/` already.
    #[inline]
    fn components(
        &self,
        domain: &'a str,
        path: usize,
        mut at: usize,
    ) -> Result<RefParts<'a>, Fault> {
        loop {
            let (end, _) = self.component(at, LOWER | DIGIT)?;
            if self.bytes.get(end) != Some(&b'/') {
                return self.after_path(domain, false, path, end);
            }
            at = end + 1;
        }
    }

    /// Goes on with tag and digest, after the path from `start` to `end`.
    #[inline]
    fn after_path(
        &self,
        domain: &'a str,
        library: bool,
        start: usize,
        end: usize,
    ) -> Result<RefParts<'a>, Fault> {
        let bytes = self.bytes;
        let max = if library { MAX_PATH - LIBRARY.len() } else { MAX_PATH };
        if end - start > max {
            return Err(Fault { offset: start + max, expected: Expected::ShorterName });
        }
        let path = RepoPath { library, written: &self.text[start..end] };
        let mut at = end;
        let tag = if bytes.get(at) == Some(&b':') {
            at = self.tag(end + 1)?;
            Some(&self.text[end + 1..at])
        } else {
            None
        };
        let digest = match bytes.get(at) {
            Some(b'@') => Some(self.digest(at + 1)?),
            None => None,
            Some(_) if tag.is_some() => return Err(Fault { offset: at, expected: Expected::Tag }),
            Some(byte) if byte.is_ascii_uppercase() => {
                return Err(Fault { offset: at, expected: Expected::LowerCaseOrDigit });
            }
            Some(_) => return Err(Fault { offset: at, expected: Expected::RepositoryName }),
        };
        Ok(RefParts { domain, path, tag, digest })
    }

    /// Scans the tag at `start`. Gives its end.
    #[inline]
    fn tag(&self, start: usize) -> Result<usize, Fault> {
        const START: u8 = LOWER | UPPER | DIGIT | UNDERSCORE;
        if class(self.bytes, start) & START == 0 {
            return Err(self.no_tag(start));
        }
        let end = run(self.bytes, start + 1, START | DOT | DASH);
        if end - start > MAX_TAG {
            return Err(Fault { offset: start + MAX_TAG, expected: Expected::ShorterTag });
        }
        Ok(end)
    }

    /// The digest at `start`, which goes to the end.
    #[inline]
    fn digest(&self, start: usize) -> Result<&'a str, Fault> {
        let digest = &self.bytes[start..];
        for (algorithm, count) in DIGESTS {
            if let Some(digits) = digest.strip_prefix(algorithm) {
                return if digits.len() == usize::from(count) && is_lower_hex(digits) {
                    Ok(&self.text[start..])
                } else {
                    Err(wrong_digits(digits, count, start + algorithm.len()))
                };
            }
        }
        Err(Fault { offset: start, expected: Expected::DigestAlgorithm })
    }

    /// The fault at the first byte of `wrong`, which is known to be in the first component.
    #[cold]
    fn first(&self, wrong: u8, expected: Expected) -> Fault {
        Fault { offset: run(self.bytes, 0, !wrong), expected }
    }

    /// The fault of the first component, where its scan ended with `fault`: with an underscore
    /// before it can't be a domain, so that a capital is wrong however it goes on.
    #[cold]
    fn in_first(&self, fault: Fault) -> Fault {
        let before = &self.bytes[..fault.offset];
        if before.contains(&b'_') && before.iter().any(u8::is_ascii_uppercase) {
            self.first(UPPER, Expected::LowerCaseOrDigit)
        } else {
            fault
        }
    }

    /// The fault of a tag that can't start at `start`.
    #[cold]
    fn no_tag(&self, start: usize) -> Fault {
        let before = &self.bytes[..start - 1];
        if self.bytes[start..].starts_with(b"//") && !before.contains(&b'/') {
            Fault { offset: 0, expected: Expected::NoScheme }
        } else {
            Fault { offset: start, expected: Expected::TagStart }
        }
    }
}

/// What is missing where a component's run of `letters` is empty.
#[cold]
fn start_of_run(letters: u8) -> Expected {
    if letters & UPPER == 0 { Expected::LowerCaseOrDigit } else { Expected::LetterOrDigit }
}

/// The fault of `digits`, which start at `start` and are not `count` lower-case hexadecimal digits.
#[cold]
fn wrong_digits(digits: &[u8], count: u8, start: usize) -> Fault {
    let good = digits.iter().take_while(|byte| is_lower_hex_digit(**byte)).count();
    if good < usize::from(count) {
        Fault { offset: start + good, expected: Expected::DigestDigit(count) }
    } else {
        Fault { offset: start + usize::from(count), expected: Expected::DigestEnd(count) }
    }
}
