# The everyday verbs. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup build run test test-all test-chart test-cluster test-fresh test-systemd bench bench-cluster lint tidy format fuzz asan tsan parts clean

CACHE := $(or $(VIBED_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vibed)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: ## install what is missing (Debian packages; sudo when not root)
	@scripts/setup

build: setup ## build the programs, libvibed and its bindings (release, shared library) into build/release
	@scripts/build release product

run: build ## build, start vibed, deploy an example (or APP=dir), print its URL, stay up until Ctrl-C
	@scripts/run $(APP)

test: ## set up, build, run every test that CI runs
	@scripts/setup test
	@scripts/parts caddy
	@scripts/parts s3
	@scripts/parts chart
	@scripts/test release
	@scripts/test asan folders base archive http config classifier source app service lifecycle claims aws auth

test-all: ## everything: CI's tests, ASan and UBSan, TSan, clang-tidy, 60 s of each fuzz target, the long model test, a fresh root
	@$(MAKE) --no-print-directory test
	@scripts/test asan unit
	@scripts/test tsan unit
	@VIBED_MODEL_RUNS=20000 scripts/test release model
	@$(MAKE) --no-print-directory tidy
	@$(MAKE) --no-print-directory fuzz
	@$(MAKE) --no-print-directory test-systemd
	@$(MAKE) --no-print-directory test-fresh

test-chart: ## the Helm chart and the Dockerfiles: lint, golden renders, schemas, every value, policies (a minute)
	@scripts/setup test
	@scripts/parts chart
	@for test in tests/chart/test_*.py; do VIBED_BUILD=build/release PYTHONDONTWRITEBYTECODE=1 python3 $$test || exit 1; done

test-cluster: ## the tests on a real Kubernetes, which is built into the cache the first time (root; 15 to 25 minutes, then 40)
	@scripts/setup test cluster acme
	@CLUSTER_GVISOR=1 tests/cluster/build
	@scripts/parts caddy
	@scripts/parts s3
	@scripts/parts chart
	@scripts/parts acme
	@scripts/test release cluster
	@tests/cluster/run

test-systemd: build ## vibed as a systemd service with a cgroup v2, in an emulated machine (root, debootstrap, qemu; 5 minutes)
	@tests/systemd/run build/release || [ $$? = 77 ]

test-fresh: ## prove `make run` and `make test` in a fresh Debian 12 root, as root and as a user (needs root)
	@scripts/setup fresh
	@scripts/fresh-root

bench: setup ## run the benchmarks; every figure is a ratio to its reference in the same run
	@scripts/build release
	@scripts/bench

bench-cluster: setup ## benchmarks on a real Kubernetes (root; 10 minutes when the cluster is built)
	@scripts/setup cluster
	@tests/cluster/build
	@scripts/parts caddy
	@scripts/build release
	@scripts/bench cluster

lint: ## formatting, script syntax, clang-tidy of the folders that the branch (on main: the last commit) changes
	@scripts/setup lint
	@scripts/lint
	@scripts/tidy --changed

tidy: ## clang-tidy of everything (5 to 10 CPU minutes the first time, then only the folders that changed)
	@scripts/setup lint
	@scripts/tidy

format: ## format the C++ code in place
	@scripts/setup lint
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format-14 -i

fuzz: ## 60 s (or SECONDS=n) of every fuzz target
	@scripts/setup fuzz
	@scripts/fuzz $(SECONDS)

asan: ## unit tests under AddressSanitizer and UBSan
	@scripts/setup
	@scripts/test asan unit

tsan: ## unit tests under ThreadSanitizer
	@scripts/setup
	@scripts/test tsan unit

parts: ## build what tests use and Debian lacks into the cache (Caddy 2.11, an S3 server, Helm, kubeconform, Pebble)
	@scripts/setup
	@scripts/parts caddy
	@scripts/parts s3
	@scripts/parts chart
	@scripts/parts acme

clean: ## remove what was built; the cache of test servers stays
	@rm -rf build
