// Browsers start no worker on a page that is opened from disk. There the search runs in a hidden frame instead, behind
// the part of the worker's interface that the theme uses: postMessage, addEventListener("message") and terminate.
if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const address = new URL(url, document.baseURI).href
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      this.frame.srcdoc =
        `<script>self.postMessage = (data) => parent.postMessage(data, "*")</script><script src="${address}"></script>`
      this.loaded = new Promise((resolve) => this.frame.addEventListener("load", resolve))
      this.receive = (event) => {
        if (event.source === this.frame.contentWindow) {
          this.dispatchEvent(new MessageEvent("message", { data: event.data }))
        }
      }
      addEventListener("message", this.receive)
      document.body.appendChild(this.frame)
    }

    async postMessage(data) {
      await this.loaded
      this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }))
    }

    terminate() {
      removeEventListener("message", this.receive)
      this.frame.remove()
    }
  }
}
