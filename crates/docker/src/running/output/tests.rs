//! The pump between a wire and two writers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use longshore_driver_api::StreamReport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

fn frame(number: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![number, 0, 0, 0];
    frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    frame.extend(payload);
    frame
}

fn output(limit: Option<u64>) -> (Output, tokio::io::DuplexStream, tokio::io::DuplexStream) {
    let (out, out_reader) = tokio::io::duplex(16);
    let (err, err_reader) = tokio::io::duplex(16);
    let output = Output {
        stdout: Sink::new(Some(Box::new(out)), limit),
        stderr: Sink::new(Some(Box::new(err)), limit),
        relayed: false,
    };
    (output, out_reader, err_reader)
}

async fn all(mut reader: tokio::io::DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn every_byte_reaches_its_writer_in_order_and_the_end_is_unverified() {
    let (output, out, err) = output(None);
    let wire: Vec<u8> = (0..200_u8).flat_map(|n| frame(1 + n % 2, &[n; 700])).collect();
    let pump = output.pump(&wire[..], false, Signals::default());
    let ((report, end), out, err) = tokio::join!(pump, all(out), all(err));
    let of =
        |odd: u8| -> Vec<u8> { (0..200).filter(|n| n % 2 == odd).flat_map(|n| [n; 700]).collect() };
    assert_eq!((out, err), (of(0), of(1)));
    assert_eq!(report.stdout, StreamReport::new(StreamEnd::Unverified, 70_000, 0));
    assert_eq!(end, ReadEnd::Closed);
}

#[tokio::test]
async fn exactly_the_limit_is_delivered_of_each_stream_and_the_rest_is_counted() {
    let (output, out, err) = output(Some(1000));
    let wire = [frame(1, &[1; 999]), frame(2, &[2; 1000]), frame(1, &[1; 5000])].concat();
    let signals = Signals::default();
    let pump = output.pump(&wire[..], false, signals.clone());
    let ((report, _), out, err) = tokio::join!(pump, all(out), all(err));
    assert_eq!((out.len(), err.len()), (1000, 1000));
    assert_eq!(report.stdout, StreamReport::new(StreamEnd::Unverified, 1000, 4999));
    assert_eq!(report.stderr, StreamReport::new(StreamEnd::Unverified, 1000, 0));
    assert!(signals.over_limit.is_cancelled());
}

#[tokio::test]
async fn a_writer_that_fails_does_not_stop_the_other_stream() {
    let (output, out, err) = output(None);
    drop(out);
    let wire = [frame(1, &[1; 1000]), frame(2, &[2; 1000])].concat();
    let pump = output.pump(&wire[..], false, Signals::default());
    let ((report, _), err) = tokio::join!(pump, all(err));
    assert_eq!(err.len(), 1000);
    assert_eq!(report.stdout, StreamReport::new(StreamEnd::WriterFailed, 0, 1000));
    assert_eq!(report.stderr.end, StreamEnd::Unverified);
}

#[tokio::test]
async fn a_cut_wire_delivers_what_came_and_says_so() {
    let (output, out, err) = output(None);
    let wire = &frame(1, &[1; 1000])[..500];
    let pump = output.pump(wire, false, Signals::default());
    let ((report, end), out, _) = tokio::join!(pump, all(out), all(err));
    assert_eq!(out.len(), 492);
    assert_eq!((report.stdout.end, report.stdout.delivered), (StreamEnd::Cut, 492));
    assert_eq!(end, ReadEnd::Cut);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_is_waited_for_until_that_is_given_up() {
    let (output, _out, _err) = output(None);
    let wire = frame(1, &[1; 1000]);
    let signals = Signals::default();
    let pump = output.pump(&wire[..], false, signals.clone());
    let mut pump = std::pin::pin!(pump);
    signals.exited.cancel();
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, &mut pump).await.is_err());
    signals.abandon.cancel();
    let (report, _) = pump.await;
    assert_eq!(report.stdout, StreamReport::new(StreamEnd::Abandoned, 16, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_stays_open_after_the_end_is_not_waited_for() {
    let (output, out, err) = output(None);
    let (mut engine, wire) = tokio::io::duplex(1024);
    engine.write_all(&frame(1, b"last words")).await.unwrap();
    let signals = Signals::default();
    signals.exited.cancel();
    let pump = output.pump(wire, false, signals);
    let ((report, end), out, _) = tokio::join!(pump, all(out), all(err));
    assert_eq!(out, b"last words");
    assert_eq!((report.stdout.end, end), (StreamEnd::Abandoned, ReadEnd::Abandoned));
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_of_a_living_task_is_waited_for() {
    let (output, _out, _err) = output(None);
    let (_engine, wire) = tokio::io::duplex(1024);
    let pump = output.pump(wire, false, Signals::default());
    assert!(tokio::time::timeout(Duration::from_secs(24 * 3600), pump).await.is_err());
}

#[tokio::test]
async fn the_wire_is_not_read_ahead_of_a_reader_by_more_than_the_bound() {
    let (output, _out, _err) = output(None);
    let (mut engine, wire) = tokio::io::duplex(4096);
    let written = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&written);
    let writer = async move {
        loop {
            engine.write_all(&frame(1, &[0; 1024])).await.unwrap();
            counter.fetch_add(1024, Ordering::Relaxed);
        }
    };
    tokio::select! {
        () = writer => {}
        _ = output.pump(wire, false, Signals::default()) => {}
        () = tokio::time::sleep(Duration::from_millis(300)) => {}
    }
    let written = written.load(Ordering::Relaxed);
    assert!(written > 100 * 1024 && written <= 1024 * 1024, "{written}");
}
