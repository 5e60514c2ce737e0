document.getElementById("root").textContent = "the board";
//# sourceMappingURL=index-4f1c2a9d.js.map
