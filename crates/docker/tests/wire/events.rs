//! What a scripted engine tells by itself: ends, kills for want of memory, health; and that nothing
//! depends on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::stage::Stage;
use crate::support::{Request, Script, Step, chunk, chunked, event, json, quiet, waited};
use crate::until::until;
use longshore_docker::DockerConfig;
use longshore_driver_api::{
    ByteSize, DriverExt as _, ErrorKind, Exit, HealthCheck, OomEvidence, Outcome, Result, TaskSpec,
    TaskSpecBuilder,
};
use tokio::sync::Notify;

/// What an engine tells from the start of the container on, which has no labels of note.
fn stream(events: Vec<Step>) -> Script {
    stream_of(r#""longshore.task":"t""#, events)
}

/// The same of a container with these labels: an engine copies them into the attributes of all that
/// it tells, over what it has to say itself.
fn stream_of(labels: &str, events: Vec<Step>) -> Script {
    let mut script = chunked();
    script.push(event(1, "start", labels));
    script.extend(events);
    script.push(Step::Hold);
    script
}

/// An engine that answers for its stream of events once the task was started: no stream stands before
/// that, so that there is no gap but those of the test. Then it tells `events`, each stream the next
/// of them. A wait is not answered for a long time.
async fn stage(
    events: Vec<Script>,
    special: impl Fn(&Request) -> Option<Script> + Send + Sync + 'static,
) -> Stage {
    let started = Arc::new(Notify::new());
    let streams = AtomicUsize::new(0);
    let special = move |request: &Request| {
        if let Some(script) = special(request) {
            return Some(script);
        }
        if request.is("POST /containers/c1/start") {
            started.notify_one();
        }
        if request.is("GET /events") {
            let next = streams.fetch_add(1, Ordering::SeqCst);
            let mut script = events.get(next).cloned().unwrap_or_else(quiet);
            if next == 0 {
                script.insert(0, Step::Until(Arc::clone(&started)));
            }
            return Some(script);
        }
        if request.is("POST /containers/c1/wait") {
            return Some(waited(Duration::from_secs(20), 9));
        }
        None
    };
    // A killed task whose wait is not answered is given up after it.
    let change = |config: &mut DockerConfig| config.timeouts.work = Duration::from_secs(1);
    Stage::new(change, special).await
}

async fn run(stage: &Stage, spec: TaskSpecBuilder) -> Result<Exit> {
    let run = stage.driver.run_task(spec.build().unwrap());
    tokio::time::timeout(Duration::from_secs(15), run).await.expect("it does not wait")
}

fn task() -> TaskSpecBuilder {
    TaskSpec::builder("x")
}

#[tokio::test]
async fn an_end_that_is_told_is_the_result_without_another_question() {
    let die = event(7, "die", r#""exitCode":"3""#);
    let stage = stage(vec![stream(vec![die])], |_| None).await;
    let exit = run(&stage, task()).await.unwrap();
    assert_eq!((exit.outcome, exit.oom), (Outcome::Code(3), OomEvidence::None), "{exit:?}");
    assert_eq!(stage.engine.count("GET /containers/c1/json"), 0);
    assert!(stage.engine.lines().iter().any(|line| {
        line.contains("/events?filters=") && line.contains("longshore.application")
    }));
}

#[tokio::test]
async fn a_code_that_a_label_may_have_written_is_not_believed() {
    let die = || event(7, "die", r#""exitCode":"0""#);
    let mut unknown = chunked();
    unknown.extend([die(), Step::Hold]);
    for (what, told) in [
        ("a label of that name", stream_of(r#""exitCode":"0""#, vec![die()])),
        ("a label of that name without a code", stream_of(r#""exitCode":"""#, vec![die()])),
        (
            "a label of Podman's name",
            stream_of(
                r#""containerExitCode":"0""#,
                vec![event(7, "die", r#""containerExitCode":"0""#)],
            ),
        ),
        ("labels that were not told", unknown),
    ] {
        let stage = stage(vec![told], |request| {
            request.is("POST /containers/c1/wait").then(|| waited(Duration::from_millis(700), 7))
        })
        .await;
        let exit = run(&stage, task()).await.unwrap();
        assert_eq!(exit.outcome, Outcome::Code(7), "{what}: {exit:?}");
    }
}

#[tokio::test]
async fn memory_that_ran_out_is_evidence_as_soon_as_it_is_told() {
    let events = vec![event(6, "oom", ""), event(7, "die", r#""exitCode":"1""#)];
    let stage = stage(vec![stream(events)], |_| None).await;
    let exit = run(&stage, task()).await.unwrap();
    assert_eq!((exit.outcome, exit.oom), (Outcome::Code(1), OomEvidence::Seen), "{exit:?}");
}

#[tokio::test]
async fn with_a_limit_of_memory_the_engine_is_asked_all_the_same() {
    let die = event(7, "die", r#""exitCode":"1""#);
    let killed = r#"{"Id":"c1","State":{"Status":"exited","OOMKilled":true,"ExitCode":1}}"#;
    let stage = stage(vec![stream(vec![die])], move |request| {
        request.is("GET /containers/c1/json").then(|| json(200, killed))
    })
    .await;
    let exit = run(&stage, task().memory(ByteSize::mib(64))).await.unwrap();
    assert_eq!((exit.outcome, exit.oom), (Outcome::Code(1), OomEvidence::Seen), "{exit:?}");
    assert_eq!(stage.engine.count("GET /containers/c1/json"), 1);
}

#[tokio::test]
async fn a_stream_that_broke_off_goes_on_a_little_before_where_it_was() {
    let mut first = chunked();
    // Of another container, to have a time to go on from; then the connection is cut.
    first.push(chunk(
        b"{\"Type\":\"container\",\"Action\":\"oom\",\"Actor\":{\"ID\":\"c0\"},\"timeNano\":5000000007}\n",
    ));
    let die = event(6_000_000_000, "die", r#""exitCode":"3""#);
    let stage = stage(vec![first, stream(vec![die])], |_| None).await;
    let exit = run(&stage, task()).await.unwrap();
    assert_eq!(exit.outcome, Outcome::Code(3), "{exit:?}");
    assert!(stage.engine.lines().iter().any(|line| line.contains("since=4.000000007")));
}

#[tokio::test]
async fn a_stream_that_told_nothing_goes_on_from_when_it_began() {
    let first = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let die = event(6_000_000_000, "die", r#""exitCode":"3""#);
    let stage = stage(vec![vec![Step::Send(first.to_vec())], stream(vec![die])], |_| None).await;
    let exit = run(&stage, task()).await.unwrap();
    assert_eq!(exit.outcome, Outcome::Code(3), "{exit:?}");
    let lines = stage.engine.lines();
    assert!(lines.iter().any(|line| line.contains("since=784111776.000000000")), "{lines:?}");
}

#[tokio::test]
async fn an_engine_that_tells_nothing_is_waited_for_and_the_code_of_one_that_was_away_is_not_believed()
 {
    let die = event(7, "die", r#""exitCode":"255""#);
    let stage = stage(vec![stream(vec![die])], |request| {
        request.is("POST /containers/c1/wait").then(|| waited(Duration::from_millis(300), 4))
    })
    .await;
    let exit = run(&stage, task()).await.unwrap();
    assert_eq!(exit.outcome, Outcome::Code(4), "{exit:?}");
}

fn with_health(bound: Duration) -> TaskSpecBuilder {
    task().edit(|spec| {
        spec.health.check = HealthCheck::Run(vec!["/check".to_owned(), "a b".to_owned()]);
        spec.health.interval = Some(Duration::from_millis(250));
        spec.health.wait = Some(bound);
    })
}

/// The state of a running container whose check says this.
fn says(status: &str) -> Script {
    let state =
        format!(r#"{{"Status":"running","Running":true,"Health":{{"Status":"{status}"}}}}"#);
    json(200, &format!(r#"{{"Id":"c1","State":{state}}}"#))
}

#[tokio::test]
async fn a_start_waits_for_health_by_what_is_told_and_looks_once() {
    let looked = Arc::new(Notify::new());
    let events = vec![
        Step::Until(Arc::clone(&looked)),
        event(6, "health_status: healthy", ""),
        Step::Pause(Duration::from_millis(100)),
        event(7, "die", r#""exitCode":"0""#),
    ];
    let stage = stage(vec![stream(events)], move |request| {
        request.is("GET /containers/c1/json").then(|| {
            looked.notify_one();
            says("starting")
        })
    })
    .await;
    let exit = run(&stage, with_health(Duration::from_secs(10))).await.unwrap();
    assert!(exit.is_success(), "{exit:?}");
    assert_eq!(stage.engine.count("GET /containers/c1/json"), 1);
    let seen = stage.engine.seen();
    let made = seen.iter().find(|request| request.is("POST /containers/create")).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&made.body).unwrap();
    assert_eq!(body["Healthcheck"]["Test"], serde_json::json!(["CMD", "/check", "a b"]));
    assert_eq!(body["Healthcheck"]["Interval"], 250_000_000);
}

#[tokio::test]
async fn a_task_that_did_well_and_ended_at_once_was_started() {
    let events =
        || vec![event(6, "health_status: healthy", ""), event(7, "die", r#""exitCode":"3""#)];
    let stage = stage(vec![stream(events())], |request| {
        request.is("GET /containers/c1/json").then(|| says("starting"))
    })
    .await;
    let exit = run(&stage, with_health(Duration::from_secs(10))).await.unwrap();
    assert_eq!(exit.outcome, Outcome::Code(3), "{exit:?}");
}

#[tokio::test]
async fn a_start_under_which_the_container_is_closed_says_so_whatever_is_seen_of_its_end() {
    let killed = r#"{"Id":"c1","State":{"Status":"exited","ExitCode":137}}"#;
    let closes = Arc::new(Notify::new());
    let word = Arc::clone(&closes);
    let stage = stage(vec![quiet()], move |request| {
        let look = request.is("GET /containers/c1/json");
        look.then(|| [vec![Step::Until(Arc::clone(&word))], json(200, killed)].concat())
    })
    .await;
    let task = with_health(Duration::from_secs(10)).build().unwrap();
    let container = stage.driver.prepare(task).await.unwrap();
    let starting = container.start();
    let closing = async {
        let is_looked_at = async || stage.engine.count("GET /containers/c1/json") > 0;
        until("it is looked at", is_looked_at).await;
        // The answer comes after the close has begun.
        tokio::join!(container.close(), async { closes.notify_one() }).0
    };
    let (started, closed) = tokio::join!(starting, closing);
    assert_eq!(started.unwrap_err().kind(), ErrorKind::Closed);
    closed.unwrap();
}

#[tokio::test]
async fn a_start_that_waits_for_health_fails_in_ways_that_are_told_apart() {
    let unhealthy = event(6, "health_status: unhealthy", "");
    let died = event(6, "die", r#""exitCode":"5""#);
    let cases = [
        (stream(vec![unhealthy]), "starting", ErrorKind::Unhealthy, "unhealthy"),
        (stream(vec![died]), "starting", ErrorKind::EndedEarly, "with 5"),
        (quiet(), "unhealthy", ErrorKind::Unhealthy, "unhealthy"),
        (quiet(), "none", ErrorKind::InvalidInput, "no health check"),
        (quiet(), "starting", ErrorKind::Deadline, "within 1s"),
    ];
    for (events, state, kind, words) in cases {
        let stage = stage(vec![events], move |request| {
            request.is("GET /containers/c1/json").then(|| says(state))
        })
        .await;
        let error = run(&stage, with_health(Duration::from_secs(1))).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(stage.engine.count("DELETE /containers/c1") >= 1, "it is removed by who ran it");
    }
}

#[tokio::test]
async fn what_the_last_failed_check_wrote_is_in_the_error() {
    // The reason is at the end, beyond what an error holds, in bytes that are no whole letters.
    let long = format!("{}é\u{1b}[2J\nno answer!\n", "é".repeat(400));
    let checks = serde_json::json!([
        { "ExitCode": 0, "Output": "well" },
        { "ExitCode": 1, "Output": "an earlier one" },
        { "ExitCode": 3, "Output": long },
        { "ExitCode": 0, "Output": "well again" },
    ]);
    let unhealthy = || event(6, "health_status: unhealthy", "");
    // It is told, or found.
    for (events, state) in [(stream(vec![unhealthy()]), "starting"), (quiet(), "unhealthy")] {
        let checks = checks.clone();
        let stage = stage(vec![events], move |request| {
            let health = serde_json::json!({ "Status": state, "Log": checks });
            let state = serde_json::json!({ "Running": true, "Health": health });
            let container = serde_json::json!({ "Id": "c1", "State": state });
            request.is("GET /containers/c1/json").then(|| json(200, &container.to_string()))
        })
        .await;
        let error = run(&stage, with_health(Duration::from_secs(10))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unhealthy, "{error}");
        let text = error.what();
        let reason = r#"ended with 3 and wrote "éé"#;
        assert!(text.contains(reason) && text.ends_with(r#"é\u{1b}[2J\nno answer!""#), "{text}");
        assert!(text.len() < 700, "{} bytes: {text}", text.len());
    }
}

#[tokio::test]
async fn a_task_that_was_told_to_be_unhealthy_is_so_whatever_is_answered_then() {
    let unhealthy = || event(6, "health_status: unhealthy", "");
    let answers: [fn() -> Script; 3] = [
        || json(404, r#"{"message":"no such container"}"#),
        || json(200, r#"{"Id":"c1","State":{"Running":true,"Health":null}}"#),
        || json(200, r#"{"Id":"c1","State":{"Running":true,"Health":{"Log":[{"ExitCode":-1}]}}}"#),
    ];
    for (answer, end) in answers.into_iter().zip(["too often", "too often", "-1 and wrote nothing"])
    {
        // It starts when it is looked at first, is told to be unhealthy then, and looked at again.
        let (looks, looked) = (AtomicUsize::new(0), Arc::new(Notify::new()));
        let events = stream(vec![Step::Until(Arc::clone(&looked)), unhealthy()]);
        let stage = stage(vec![events], move |request| {
            request.is("GET /containers/c1/json").then(|| {
                looked.notify_one();
                if looks.fetch_add(1, Ordering::SeqCst) == 0 { says("starting") } else { answer() }
            })
        })
        .await;
        let error = run(&stage, with_health(Duration::from_secs(10))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unhealthy, "{error}");
        assert!(error.what().ends_with(end), "{error}");
    }
}

#[tokio::test]
async fn health_that_a_label_may_have_written_is_not_believed() {
    let event = event(6, "health_status: unhealthy", r#""health_status":"healthy""#);
    let paused = Step::Pause(Duration::from_millis(300));
    let stage = stage(vec![stream(vec![paused, event])], |request| {
        request.is("GET /containers/c1/json").then(|| says("starting"))
    })
    .await;
    let error = run(&stage, with_health(Duration::from_secs(5))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unhealthy, "{error}");
}

#[tokio::test]
async fn an_event_of_any_length_is_no_reason_not_to_hear_the_next() {
    // Of another container, whose image has such a label.
    let long = vec![b'x'; 1 << 20];
    let mut events = chunked();
    events.push(chunk(
        br#"{"Type":"container","Action":"die","Actor":{"ID":"c0","Attributes":{"evil":""#,
    ));
    events.extend((0..6).map(|_| chunk(&long)));
    events.push(chunk(b"\"}},\"timeNano\":1}\n"));
    events.extend([event(2, "start", ""), event(3, "die", r#""exitCode":"4""#), Step::Hold]);
    let stage = stage(vec![events], |_| None).await;
    let begun = Instant::now();
    let exit = run(&stage, TaskSpec::builder("x")).await.unwrap();
    // Something may have been missed before, so the answer to the wait is not needed for the end alone.
    assert_eq!(exit.code, Some(4), "{exit:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
