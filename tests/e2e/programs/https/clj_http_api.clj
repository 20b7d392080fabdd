(require '[clj-http.client :as client])

(defn show [response]
  (println (:status response))
  (println (:body response)))

(show (client/get "https://api.example.com/data"))

(show (client/post "https://api.example.com/submit"
                   {:body "{\"name\": \"hark\", \"note\": \"grüße\"}"
                    :content-type :json}))
