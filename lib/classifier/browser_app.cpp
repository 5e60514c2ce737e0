#include "classifier/browser_app.hpp"

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

namespace vibed {
namespace {

using std::string_view_literals::operator""sv;

// Frameworks and adapters that answer requests, wherever they are listed.
constexpr std::array kServers = {
    "express"sv,
    "koa"sv,
    "fastify"sv,
    "polka"sv,
    "restify"sv,
    "hono"sv,
    "@hono/node-server"sv,
    "connect"sv,
    "sails"sv,
    "micro"sv,
    "@hapi/hapi"sv,
    "hapi"sv,
    "@nestjs/core"sv,
    "@nestjs/common"sv,
    "@adonisjs/core"sv,
    "@feathersjs/feathers"sv,
    "@loopback/core"sv,
    "moleculer"sv,
    "egg"sv,
    "total.js"sv,
    "elysia"sv,
    "h3"sv,
    "nitropack"sv,
    "nitro"sv,
    "vinxi"sv,
    "next"sv,
    "nuxt"sv,
    "nuxt3"sv,
    "blitz"sv,
    "@remix-run/node"sv,
    "@remix-run/serve"sv,
    "@remix-run/dev"sv,
    "@remix-run/express"sv,
    "@remix-run/cloudflare"sv,
    "@react-router/node"sv,
    "@react-router/serve"sv,
    "@react-router/express"sv,
    "@tanstack/react-start"sv,
    "@tanstack/solid-start"sv,
    "@tanstack/start"sv,
    "@solidjs/start"sv,
    "solid-start"sv,
    "@builder.io/qwik-city"sv,
    "@qwik.dev/router"sv,
    "@analogjs/platform"sv,
    "@angular/ssr"sv,
    "@angular/platform-server"sv,
    "@nguniversal/express-engine"sv,
    "@redwoodjs/api"sv,
    "@redwoodjs/core"sv,
    "@keystone-6/core"sv,
    "@strapi/strapi"sv,
    "payload"sv,
    "meteor-node-stubs"sv,
    "vike-server"sv,
    "fresh"sv,
    "rwsdk"sv,
    "waku"sv,
    "marblejs"sv,
    "@astrojs/node"sv,
    "@astrojs/vercel"sv,
    "@astrojs/netlify"sv,
    "@astrojs/cloudflare"sv,
    "@astrojs/deno"sv,
    "@deno/astro-adapter"sv,
    "@apollo/server"sv,
    "apollo-server"sv,
    "apollo-server-express"sv,
    "graphql-yoga"sv,
    "socket.io"sv,
    "@trpc/server"sv,
    "uWebSockets.js"sv,
    "node-static"sv,
    "http-proxy"sv,
};

// What only a server needs: counted where the app itself depends on it, not as a tool.
constexpr std::array kServerParts = {
    "pg"sv,          "mysql"sv,         "mysql2"sv,  "mongodb"sv,        "mongoose"sv,
    "redis"sv,       "ioredis"sv,       "sqlite3"sv, "better-sqlite3"sv, "mssql"sv,
    "sequelize"sv,   "typeorm"sv,       "knex"sv,    "@prisma/client"sv, "@mikro-orm/core"sv,
    "bcrypt"sv,      "nodemailer"sv,    "ws"sv,      "passport"sv,       "bullmq"sv,
    "bull"sv,        "amqplib"sv,       "kafkajs"sv, "helmet"sv,         "express-session"sv,
    "body-parser"sv, "cookie-parser"sv, "morgan"sv,  "multer"sv,         "discord.js"sv,
    "telegraf"sv,    "node-cron"sv,     "pm2"sv,     "puppeteer"sv,      "firebase-admin"sv,
};

struct Bundler {
  std::string_view package;  // listed as a dependency
  std::string_view command;  // or called by the build script
  std::string_view output;   // what it fills unless told otherwise
};

// The first that matches names the output, so the specific stand before the general.
constexpr std::array kBundlers = {
    Bundler{"react-scripts", "react-scripts", "build"},
    Bundler{"@craco/craco", "craco", "build"},
    Bundler{"@sveltejs/adapter-static", "", "build"},
    Bundler{"astro", "astro", "dist"},
    Bundler{"gatsby", "gatsby", "public"},
    Bundler{"@docusaurus/core", "docusaurus", "build"},
    Bundler{"vitepress", "vitepress", ".vitepress/dist"},
    Bundler{"vuepress", "vuepress", ".vuepress/dist"},
    Bundler{"@11ty/eleventy", "eleventy", "_site"},
    Bundler{"hexo", "hexo", "public"},
    Bundler{"@slidev/cli", "slidev", "dist"},
    Bundler{"@quasar/app-vite", "quasar", "dist/spa"},
    Bundler{"expo", "expo", "dist"},
    Bundler{"@angular/cli", "ng", "dist"},
    Bundler{"@angular-devkit/build-angular", "ng", "dist"},
    Bundler{"@vue/cli-service", "vue-cli-service", "dist"},
    Bundler{"ember-cli", "ember", "dist"},
    Bundler{"preact-cli", "preact", "build"},
    Bundler{"@stencil/core", "stencil", "www"},
    Bundler{"snowpack", "snowpack", "build"},
    Bundler{"vite", "vite", "dist"},
    Bundler{"rolldown-vite", "vite", "dist"},
    Bundler{"parcel", "parcel", "dist"},
    Bundler{"parcel-bundler", "parcel", "dist"},
    Bundler{"@rsbuild/core", "rsbuild", "dist"},
    Bundler{"@rspack/cli", "rspack", "dist"},
    Bundler{"@farmfe/cli", "farm", "dist"},
    Bundler{"webpack", "webpack", "dist"},
    Bundler{"rollup", "rollup", "dist"},
    Bundler{"esbuild", "esbuild", "dist"},
    Bundler{"tailwindcss", "tailwindcss", "."},
    Bundler{"@tailwindcss/cli", "tailwindcss", "."},
    Bundler{"sass", "sass", "."},
};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (char c : text) {
    bool part = c != ' ' && c != '\t' && c != ';' && c != '&' && c != '|' && c != '=' && c != '"' &&
                c != '\'';
    if (part) word += c;
    if (part || word.empty()) continue;
    words.push_back(std::move(word));
    word.clear();
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

bool has_word(const std::vector<std::string>& words, std::string_view word) {
  for (const auto& each : words) {
    if (each == word) return true;
  }
  return false;
}

// "nuxt generate" and "next export" make static sites with a server framework.
std::optional<BrowserApp> exported_site(const std::vector<std::string>& build) {
  bool generate = has_word(build, "generate");
  if (generate && (has_word(build, "nuxt") || has_word(build, "nuxi"))) {
    return BrowserApp{"package.json: scripts.build runs nuxt generate", ".output/public"};
  }
  if (has_word(build, "next") && has_word(build, "export")) {
    return BrowserApp{"package.json: scripts.build runs next export", "out"};
  }
  return std::nullopt;
}

// A start script that runs a program of the app's own, rather than a bundler's preview.
bool starts_a_server(const PackageJson& package) {
  auto words = words_of(package.script("start"));
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    bool runs = word == "node" || word == "nodemon" || word == "ts-node" || word == "tsx" ||
                word == "bun" || word == "deno" || word == "pm2" || word == "pm2-runtime";
    // An ejected create-react-app; "bun run dev" is again only a preview.
    bool preview = i + 1 < words.size() && (words[i + 1] == "scripts/start.js" ||
                                            (words[i + 1] == "run" && i + 2 < words.size() &&
                                             words[i + 2].find('.') == std::string::npos));
    if (runs && !preview) return true;
  }
  return false;
}

// The folder a flag such as --outDir names, if any.
std::string told_output(const std::vector<std::string>& build) {
  for (std::size_t i = 0; i + 1 < build.size(); ++i) {
    std::string_view flag = build[i];
    if (flag == "--outDir" || flag == "--out-dir" || flag == "--dist-dir" || flag == "-d" ||
        flag == "--output-path" || flag == "--outdir" || flag == "--output-dir") {
      std::string folder = build[i + 1];
      if (folder.starts_with("./")) folder.erase(0, 2);
      while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
      return folder;
    }
  }
  return "";
}

}  // namespace

std::string server_evidence(const PackageJson& package) {
  for (std::string_view name : kServers) {
    if (package.depends_on(std::string(name))) {
      return "package.json: dependency " + std::string(name);
    }
  }
  for (std::string_view name : kServerParts) {
    if (package.dependencies.contains(std::string(name))) {
      return "package.json: dependency " + std::string(name);
    }
  }
  // Without an adapter that prerenders, SvelteKit's build is a server.
  if (package.depends_on("@sveltejs/kit") && !package.depends_on("@sveltejs/adapter-static")) {
    return "package.json: dependency @sveltejs/kit";
  }
  if (starts_a_server(package)) return "package.json: scripts.start";
  return "";
}

std::optional<BrowserApp> find_browser_app(const PackageJson& package) {
  auto build = words_of(package.script("build"));
  if (build.empty()) return std::nullopt;
  if (auto site = exported_site(build)) return site;
  if (!server_evidence(package).empty()) return std::nullopt;
  for (const auto& bundler : kBundlers) {
    std::string name(bundler.package);
    bool listed = package.depends_on(name);
    bool called = !bundler.command.empty() && has_word(build, bundler.command);
    if (!listed && !called) continue;
    std::string told = told_output(build);
    return BrowserApp{listed ? "package.json: dependency " + name
                             : "package.json: scripts.build runs " + std::string(bundler.command),
                      told.empty() ? std::string(bundler.output) : told};
  }
  return std::nullopt;
}

}  // namespace vibed
