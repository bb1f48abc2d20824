//! Agents, pages of metrics, Prometheus servers and backends that are asked for their load.

use std::io::Write;
use std::sync::{Arc, Mutex};

use aya_api::axis::Health;
use aya_tests::backend::Backend;
use aya_tests::client::get;
use aya_tests::daemon::Daemon;
use aya_tests::wait;

use super::{ONE, cause_of_failure, daemon, expect, told};

/// An agent that says what a test wants.
fn agent(words: &str) -> (Backend, Arc<Mutex<String>>) {
    let words = Arc::new(Mutex::new(words.to_owned()));
    let current = Arc::clone(&words);
    let agent = Backend::raw(move |mut stream| {
        let words = current.lock().expect("no holder panics").clone();
        drop(writeln!(stream, "{words}"));
    });
    (agent, words)
}

#[test]
fn an_agent_takes_its_backend_out_and_in_and_weighs_it() {
    let backend = Backend::saying("ok");
    let (agent, words) = agent("up ready 50%");
    let port = agent.address.port();
    let daemon = daemon(&backend, &format!("agent = {{ port = {port}, interval = \"200ms\" }}"));
    wait::until_true("half the weight", || (daemon.control.backend(ONE).signal_factor - 0.5).abs() < 1e-3);

    for (said, cause) in [
        ("drain", "agent says drain"),
        ("down # disk full", "agent says down"),
        ("maint up", "agent says maint"),
    ] {
        *words.lock().unwrap() = said.to_owned();
        wait::until_true(said, || daemon.control.backend(ONE).health.cause == cause);
        let view = daemon.control.backend(ONE);
        assert_eq!((view.health.state, view.eligible), (Health::Down, false), "{said}");
        assert_eq!(view.admin.by, None, "it gives no orders");
        assert_eq!(get(daemon.address(), "/").reason(), Some("no-backend"), "{said}");
    }
    assert!(daemon.control.events().iter().any(|event| event.cause.contains("disk full")));

    *words.lock().unwrap() = "up ready 100%".to_owned();
    wait::until_true("traffic again", || daemon.control.backend(ONE).eligible);
    assert_eq!(get(daemon.address(), "/").text(), "ok");
    *words.lock().unwrap() = "<html>".to_owned();
    assert!(cause_of_failure(&daemon, "agent").contains("no word of the agent protocol"));
    assert_eq!(get(daemon.address(), "/").text(), "ok");
}

#[test]
fn an_agent_that_is_gone_expires() {
    let backend = Backend::saying("ok");
    let (agent, _) = agent("drain");
    let port = agent.address.port();
    let daemon =
        daemon(&backend, &format!("expire = \"500ms\", agent = {{ port = {port}, interval = \"100ms\" }}"));
    daemon.control.expect_health(ONE, Health::Down);

    agent.refuse();

    wait::until_true("traffic again", || daemon.control.backend(ONE).eligible);
    assert!(cause_of_failure(&daemon, "agent").contains("refused"));
    wait::until_true("it fails for longer than its word counts", || {
        let sources = daemon.control.backend(ONE).signal_sources;
        sources.iter().any(|source| source.source == "agent" && source.stale)
    });
}

/// Answers with this text, which a test may change.
fn page(text: &str) -> (Backend, Arc<Mutex<String>>) {
    let text = Arc::new(Mutex::new(text.to_owned()));
    let current = Arc::clone(&text);
    let backend = Backend::with(move |visit| {
        let text = current.lock().expect("no holder panics").clone();
        visit.answer(200, &text)
    });
    (backend, text)
}

#[test]
fn a_page_of_metrics_is_read_by_a_preset() {
    let (backend, text) = page(
        "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{model_name=\"a\"} 4\n\
         vllm:num_requests_waiting{model_name=\"a\"} 2\nvllm:num_requests_waiting{model_name=\"b\"} 3\n\
         vllm:kv_cache_usage_perc{model_name=\"a\"} 0.5\n",
    );
    let daemon = daemon(&backend, "scrape = { preset = \"vllm\", interval = \"200ms\" }");

    expect(&daemon, "queue", 5.0);
    expect(&daemon, "in-flight", 4.0);
    assert_eq!(expect(&daemon, "utilization", 0.5).source, "scrape");

    let rest = "vllm:num_requests_waiting 1\nvllm:kv_cache_usage_perc 1\n";
    for (wrong, cause) in [
        ("<html>oops</html>".to_owned(), "line 1 is no metric"),
        (format!("vllm:num_requests_running NaN\n{rest}"), "is no number"),
        (format!("vllm:num_requests_running -3\n{rest}"), "is negative"),
        ("up 1\n".to_owned(), "has no vllm:num_requests_running"),
    ] {
        *text.lock().unwrap() = wrong;
        wait::until_true(cause, || cause_of_failure(&daemon, "scrape").contains(cause));
    }
    assert_eq!(told(&daemon, "scrape fails"), 1, "once, not for each look");
    wait::until_true("stale", || daemon.control.backend(ONE).signals.iter().any(|signal| signal.stale));
}

#[test]
fn pages_of_triton_and_dcgm_are_read_by_their_presets() {
    // As those servers print them: several models and GPUs, counters beside gauges, labels with dots and dashes.
    let (backend, _) = page(
        "# HELP nv_inference_queue_duration_us Cumulative inference queuing duration in microseconds\n\
         # TYPE nv_inference_queue_duration_us counter\n\
         nv_inference_queue_duration_us{model=\"resnet50\",version=\"1\"} 5012345\n\
         # HELP nv_inference_pending_request_count Instantaneous number of pending requests awaiting execution per-model.\n\
         # TYPE nv_inference_pending_request_count gauge\n\
         nv_inference_pending_request_count{model=\"resnet50\",version=\"1\"} 3\n\
         nv_inference_pending_request_count{model=\"bert.large\",version=\"2\"} 4\n\
         # TYPE nv_gpu_utilization gauge\n\
         nv_gpu_utilization{gpu_uuid=\"GPU-1d2c3b4a-0000\"} 0.9\n\
         nv_gpu_utilization{gpu_uuid=\"GPU-1d2c3b4a-0001\"} 0.3\n\
         # TYPE nv_gpu_memory_used_bytes gauge\n\
         nv_gpu_memory_used_bytes{gpu_uuid=\"GPU-1d2c3b4a-0000\"} 12884901888.000000\n\
         # TYPE nv_cpu_utilization gauge\n\
         nv_cpu_utilization 0.25\n",
    );
    let scrape = |preset: &str, port: u16| {
        format!("scrape = {{ preset = \"{preset}\", port = {port}, interval = \"200ms\" }}")
    };
    let triton = daemon(&backend, &scrape("triton", backend.address.port()));
    expect(&triton, "queue", 7.0);
    expect(&triton, "gpu", 0.6);
    expect(&triton, "cpu", 0.25);

    let gpu = |index: u8| {
        format!(
            "gpu=\"{index}\",UUID=\"GPU-1d2c3b4a-000{index}\",pci_bus_id=\"00000000:0{index}:00.0\",\
             device=\"nvidia{index}\",modelName=\"NVIDIA A100-SXM4-80GB\",Hostname=\"node-1\""
        )
    };
    let (zero, one) = (gpu(0), gpu(1));
    let (backend, _) = page(&format!(
        "# HELP DCGM_FI_DEV_SM_CLOCK SM clock frequency (in MHz).\n# TYPE DCGM_FI_DEV_SM_CLOCK gauge\n\
         DCGM_FI_DEV_SM_CLOCK{{{zero}}} 1410\n\
         # HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).\n# TYPE DCGM_FI_DEV_GPU_UTIL gauge\n\
         DCGM_FI_DEV_GPU_UTIL{{{zero}}} 100\nDCGM_FI_DEV_GPU_UTIL{{{one}}} 50\n\
         # HELP DCGM_FI_DEV_FB_FREE Framebuffer memory free (in MiB).\n# TYPE DCGM_FI_DEV_FB_FREE gauge\n\
         DCGM_FI_DEV_FB_FREE{{{zero}}} 40960\nDCGM_FI_DEV_FB_USED{{{zero}}} 40960\n"
    ));
    let dcgm = daemon(&backend, &scrape("dcgm", backend.address.port()));
    assert_eq!(expect(&dcgm, "gpu", 0.75).source, "scrape");
}

#[test]
fn a_page_that_is_huge_or_never_comes_is_given_up() {
    let (backend, _) = page(&"a 1\n".repeat(1_200_000));
    let metrics = "metrics = { queue = \"a\" }";
    let scrape = format!("scrape = {{ {metrics}, interval = \"15s\", timeout = \"15s\" }}");
    let huge = daemon(&backend, &scrape);
    assert!(cause_of_failure(&huge, "scrape").contains("4 MiB"));

    let silent = Backend::silent();
    let scrape = format!("scrape = {{ {metrics}, interval = \"100ms\", timeout = \"100ms\" }}");
    let slow = daemon(&silent, &scrape);
    assert!(cause_of_failure(&slow, "scrape").contains("within 100ms"));
}

fn query(server: &Backend, timeout: &str) -> String {
    let server = format!("http://{}", server.address);
    format!(
        "query = {{ server = \"{server}\", query = \"load\", signal = \"cpu\", interval = \"{timeout}\" }}"
    )
}

#[test]
fn values_of_a_query_find_their_backends() {
    let backend = Backend::saying("ok");
    let (server, text) = page("");
    let vector = |value: &str| {
        let address = backend.address;
        format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[
               {{"metric":{{"instance":"{address}"}},"value":[1,"{value}"]}}]}}}}"#
        )
    };
    *text.lock().unwrap() = vector("0.75");
    let daemon = daemon(&backend, &query(&server, "200ms"));
    assert_eq!(expect(&daemon, "cpu", 0.75).source, "query");
    assert!(server.heads()[0].line.starts_with("GET /api/v1/query?query=load "), "{:?}", server.heads()[0]);

    for (wrong, cause) in [
        ("<html>oops</html>".to_owned(), "not that of a Prometheus server: <html>"),
        (vector("NaN"), "cpu is no number"),
        (vector("-1"), "cpu is negative"),
        (vector("1e30"), "cpu is too large"),
        (r#"{"data":{"resultType":"matrix","result":[]}}"#.to_owned(), "is a matrix"),
        (r#"{"data":{"resultType":"vector","result":[]}}"#.to_owned(), "no value has instance="),
        (r#"{"status":"error","error":"bad \"query\""}"#.to_owned(), "refuses the query: bad"),
    ] {
        *text.lock().unwrap() = wrong;
        wait::until_true(cause, || cause_of_failure(&daemon, "query").contains(cause));
        assert_eq!(get(daemon.address(), "/").text(), "ok");
    }
    server.die();
    wait::until_true("it is gone", || cause_of_failure(&daemon, "query").contains("onnect"));
    assert_eq!(told(&daemon, "query fails"), 1);
}

#[test]
fn a_prometheus_server_that_never_answers_is_given_up() {
    let (backend, server) = (Backend::saying("ok"), Backend::silent());
    let daemon = daemon(&backend, &query(&server, "100ms"));

    assert!(cause_of_failure(&daemon, "query").contains("does not answer within 100ms"));
    assert_eq!(get(daemon.address(), "/").text(), "ok");
}

#[test]
fn a_backend_is_asked_for_its_load() {
    let backend = Backend::with(|visit| {
        assert_eq!(visit.target(), "/load");
        visit.raw_answer("HTTP/1.1 200 OK\r\nx-aya-load: in-flight=9, slots=4\r\ncontent-length: 0\r\n\r\n")
    });
    let daemon = daemon(&backend, "probe = { interval = \"200ms\" }");

    assert_eq!(expect(&daemon, "in-flight", 9.0).source, "probe");
}

#[test]
fn weights_follow_a_signal() {
    let reporting = |cpu: &'static str| {
        Backend::with(move |visit| {
            visit.raw_answer(format!("HTTP/1.1 200 OK\r\nx-aya-load: cpu={cpu}\r\ncontent-length: 0\r\n\r\n"))
        })
    };
    let (calm, busy) = (reporting("0.2"), reporting("0.9"));
    let keys = "algorithm = \"round-robin\"\nhealth = { kind = \"none\" }\n\
                signals = { weight_by = { signal = \"cpu\", min = 0.5 } }";
    let daemon = Daemon::balancing(&[("calm", calm.address), ("busy", busy.address)], keys);

    wait::until_true("the busy one has less", || {
        get(daemon.address(), "/");
        daemon.control.backend("main/busy").signal_factor < 0.95
    });
    assert!((daemon.control.backend("main/calm").signal_factor - 1.0).abs() < 1e-3);
    assert!(daemon.control.backend("main/busy").signal_factor >= 0.5);
}
