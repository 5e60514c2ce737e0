console.log("thinking about it");
setInterval(() => {}, 1000);
