#include <gtest/gtest.h>

#include <algorithm>

#include "engine/doctor_findings.hpp"

namespace vibed {
namespace {

MachineFacts healthy() {
  MachineFacts facts;
  facts.bubblewrap = {"/usr/bin/bwrap", "bubblewrap 0.8.0", "", ""};
  facts.caddy = {"/usr/bin/caddy", "2.6.2", "", ""};
  facts.agent = {"/usr/libexec/vibed/vibed-agent", "", "", ""};
  Template python;
  python.name = "python-313";
  python.available = true;
  python.runtime_version = "Python 3.13.1";
  facts.templates = {python};
  facts.limits = {"cgroup v2", "cgroup v2", "cgroup v2", "tmpfs", "the uid of vibed", ""};
  facts.data = "/var/lib/vibed";
  facts.data_existing = "/var/lib";
  facts.data_writable = true;
  facts.ports = {{"port of the API", "127.0.0.1:8080", "--api", ""}};
  facts.domain = "localhost";
  facts.domain_resolves = true;
  return facts;
}

Finding find(const std::vector<Finding>& findings, const std::string& what) {
  auto at = std::find_if(findings.begin(), findings.end(),
                         [&](const Finding& finding) { return finding.what == what; });
  EXPECT_NE(at, findings.end()) << what;
  return at == findings.end() ? Finding{} : *at;
}

TEST(Doctor, AHealthyMachineIsFitAndNothingNeedsDoing) {
  auto findings = findings_of(healthy());
  EXPECT_TRUE(is_fit(findings));
  for (const Finding& finding : findings) {
    EXPECT_TRUE(finding.good) << finding.what;
    EXPECT_EQ(finding.fix, "") << finding.what;
    EXPECT_NE(finding.detail, "") << finding.what;
  }
  EXPECT_EQ(find(findings, "bubblewrap").detail, "bubblewrap 0.8.0 at /usr/bin/bwrap");
  EXPECT_EQ(find(findings, "runtime python-313").detail, "Python 3.13.1");
  EXPECT_EQ(find(findings, "port of the API").detail, "127.0.0.1:8080 is free");
}

struct Case {
  const char* what;  // the finding it shows in
  void (*change)(MachineFacts&);
  bool fit;
  const char* detail;  // part of it
  const char* fix;     // part of it
};

TEST(Doctor, WhatIsWrongIsFoundWithItsCure) {
  for (const Case& one : {
           Case{"user namespaces", [](MachineFacts& facts) { facts.max_user_namespaces = 0; },
                false, "is 0", "user.max_user_namespaces=15000"},
           Case{"user namespaces", [](MachineFacts& facts) { facts.unprivileged_namespaces = 0; },
                false, "only root", "unprivileged_userns_clone=1"},
           Case{"bubblewrap", [](MachineFacts& facts) { facts.bubblewrap.missing = "not there"; },
                false, "not there", "apt-get install bubblewrap"},
           Case{"bubblewrap", [](MachineFacts& facts) { facts.bubblewrap.broken = "no uid map"; },
                false, "/usr/bin/bwrap: no uid map", "make namespaces"},
           Case{"caddy", [](MachineFacts& facts) { facts.caddy.missing = "no caddy"; }, false,
                "no caddy", "apt-get install caddy"},
           Case{"caddy", [](MachineFacts& facts) { facts.caddy.broken = "needs 2.7"; }, false,
                "2.6.2", "needs 2.7"},
           Case{"vibed-agent", [](MachineFacts& facts) { facts.agent.missing = "no agent"; }, false,
                "no agent", "VIBED_AGENT"},
           Case{"templates", [](MachineFacts& facts) { facts.templates_missing = "no folder"; },
                false, "no folder", "VIBED_TEMPLATES"},
           Case{"runtimes", [](MachineFacts& facts) { facts.templates.clear(); }, false, "none",
                "apt-get install nodejs"},
           Case{"limit of cpu", [](MachineFacts& facts) { facts.limits.cpu = "none"; }, true,
                "none", ""},
           Case{"identity of apps", [](MachineFacts& facts) { facts.limits.advice = "use root"; },
                true, "uid", "use root"},
           Case{"data folder", [](MachineFacts& facts) { facts.data = "/" + std::string(60, 'x'); },
                false, "more than 60 bytes", "--data"},
           Case{"data folder", [](MachineFacts& facts) { facts.data_writable = false; }, false,
                "/var/lib is not writable", "--data"},
           Case{"port of the API",
                [](MachineFacts& facts) { facts.ports[0].taken = "address already in use"; }, true,
                "in use", "--api"},
           Case{"*.localhost", [](MachineFacts& facts) { facts.domain_resolves = false; }, true,
                "not resolved", "libnss-myhostname"},
           Case{"*.apps.example",
                [](MachineFacts& facts) {
                  facts.domain = "apps.example";
                  facts.domain_resolves = false;
                },
                true, "not resolved", "wildcard record"},
       }) {
    MachineFacts facts = healthy();
    one.change(facts);
    auto findings = findings_of(facts);
    EXPECT_EQ(is_fit(findings), one.fit) << one.what << ": " << one.detail;
    Finding finding = find(findings, one.what);
    EXPECT_NE(finding.detail.find(one.detail), std::string::npos) << finding.detail;
    EXPECT_NE(finding.fix.find(one.fix), std::string::npos) << finding.fix;
    bool noted = one.what == std::string("identity of apps");
    EXPECT_EQ(finding.good, noted) << one.what;
  }
}

TEST(Doctor, OneRuntimeOfManyIsEnough) {
  MachineFacts facts = healthy();
  Template node;
  node.name = "node-24";
  node.message = "install node";
  facts.templates.push_back(node);
  auto findings = findings_of(facts);
  EXPECT_TRUE(is_fit(findings));
  EXPECT_EQ(find(findings, "runtime node-24").fix, "install node");
}

TEST(Doctor, ForRootTheSwitchOfUnprivilegedNamespacesIsNothing) {
  MachineFacts facts = healthy();
  facts.root = true;
  facts.unprivileged_namespaces = 0;
  EXPECT_TRUE(is_fit(findings_of(facts)));
}

}  // namespace
}  // namespace vibed
