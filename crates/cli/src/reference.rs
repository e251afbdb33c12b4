//! `longshore ref`: what image references mean, one JSON object a line.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};

use longshore::image_ref::{ParseError, RefParts, parse_image};
use serde::Serialize;

use crate::failure::Failure;

/// The exit status when a reference was not valid.
const SOME_INVALID: u8 = 1;
/// No reference is nearly as long.
const LONGEST: usize = 64 * 1024;
/// A line of that length, its end, and a byte by which a longer one shows.
const KEPT: u64 = LONGEST as u64 + 3;
/// How much is shown of what is longer.
const SHOWN: usize = 256;

/// Shows what image references mean, as JSON lines
///
/// A valid reference gives {"input","domain","path","tag","digest","familiar","canonical",
/// "parse_image":[registry,repository,tag]}, with "" for what is absent. Any other text gives
/// {"input","error","offset"}, with the offset of the byte at fault. The exit status is 1 if there
/// was one of those. A carriage return at the end of a line does not count. Of a text of more than
/// 64 KiB, which is no reference, the input shows the first 256 bytes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// References; without any they are read from stdin, one a line
    #[arg(value_name = "REF")]
    references: Vec<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Valid {
        input: &'a str,
        domain: &'a str,
        path: String,
        tag: &'a str,
        digest: &'a str,
        familiar: String,
        canonical: String,
        parse_image: (&'a str, Cow<'a, str>, &'a str),
    },
    Invalid {
        input: Cow<'a, str>,
        error: String,
        offset: usize,
    },
}

pub(crate) fn main(args: &Args) -> Result<u8, Failure> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    let mut all_valid = true;
    if args.references.is_empty() {
        let mut stdin = BufReader::new(io::stdin().lock());
        let mut text = Vec::new();
        while read_line(&mut stdin, &mut text).map_err(|error| Failure::io("stdin", &error))? {
            all_valid &= write(&mut stdout, &explain(&text))?;
            // Whoever asks one by one waits for each answer.
            if stdin.buffer().is_empty() {
                stdout.flush().map_err(|error| Failure::output(&error))?;
            }
        }
    } else {
        for reference in &args.references {
            all_valid &= write(&mut stdout, &explain(reference.as_bytes()))?;
        }
    }
    stdout.flush().map_err(|error| Failure::output(&error))?;
    Ok(if all_valid { 0 } else { SOME_INVALID })
}

/// Reads a line without its end. False at the end of the input. Of a line that is too long, only as
/// much is kept as shows that it is.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = input.by_ref().take(KEPT).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if line.len() > LONGEST {
        input.skip_until(b'\n')?;
    } else if line.last() == Some(&b'\r') {
        // The last line may be without a line feed.
        line.pop();
    }
    Ok(read > 0)
}

/// Writes a line, and says whether it is about a valid reference.
fn write(output: &mut impl Write, line: &Line<'_>) -> Result<bool, Failure> {
    serde_json::to_writer(&mut *output, line)
        .map_err(io::Error::from)
        .and_then(|()| output.write_all(b"\n"))
        .map_err(|error| Failure::output(&error))?;
    Ok(matches!(line, Line::Valid { .. }))
}

fn explain(text: &[u8]) -> Line<'_> {
    if text.len() > LONGEST {
        return Line::Invalid {
            input: String::from_utf8_lossy(&text[..SHOWN]),
            error: format!("invalid image reference: it is longer than {LONGEST} bytes"),
            offset: LONGEST,
        };
    }
    let input = match std::str::from_utf8(text) {
        Ok(input) => input,
        Err(error) => {
            return Line::Invalid {
                input: String::from_utf8_lossy(text),
                error: "invalid image reference: it is not UTF-8".to_owned(),
                offset: error.valid_up_to(),
            };
        }
    };
    valid(input).unwrap_or_else(|error| Line::Invalid {
        input: input.into(),
        error: error.to_string(),
        offset: error.offset(),
    })
}

fn valid(input: &str) -> Result<Line<'_>, ParseError> {
    let parts = RefParts::parse(input)?;
    Ok(Line::Valid {
        input,
        domain: parts.domain(),
        path: parts.path().to_string(),
        tag: parts.tag().unwrap_or_default(),
        digest: parts.digest().unwrap_or_default(),
        familiar: parts.familiar().to_string(),
        canonical: parts.canonical().to_string(),
        parse_image: parse_image(input)?,
    })
}
